package file

import "strings"

// nearest returns the known word that s was most likely meant to be, or "".
func nearest(s string, known []string) string {
	best, most := "", min(max(len(s)/3, 1), len(s)-1)
	for _, k := range known {
		if d := distance(strings.ToLower(s), strings.ToLower(k)); d <= most {
			best, most = k, d-1
		}
	}
	return best
}

// distance counts the letters to add, drop, replace or swap with their neighbour to make a into b.
func distance(a, b string) int {
	const long = 64 // nothing that long is a slip of the finger
	if len(a) > long || len(b) > long {
		return long
	}
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			d := min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d = min(d, rows[i-2][j-2]+1)
			}
			rows[i][j] = d
		}
	}
	return rows[len(a)][len(b)]
}
