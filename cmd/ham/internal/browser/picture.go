package browser

import (
	"bytes"
	"cmp"
	"image"
	"image/color"
	"image/png"
	"slices"
)

// Small packs a picture of a page as PNG with a palette of at most 256 colours: the most frequent ones, which are those of the page, with its
// shades of letters. Pages have few; a photograph would suffer.
func Small(picture []byte) ([]byte, error) {
	src, err := png.Decode(bytes.NewReader(picture))
	if err != nil {
		return nil, err
	}
	count := map[color.RGBA]int{}
	b := src.Bounds()
	at := func(x, y int) color.RGBA {
		r, g, bl, _ := src.At(x, y).RGBA()
		return color.RGBA{coarse(r), coarse(g), coarse(bl), 255}
	}
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			count[at(x, y)]++
		}
	}
	all := make([]color.RGBA, 0, len(count))
	for c := range count {
		all = append(all, c)
	}
	slices.SortFunc(all, func(x, y color.RGBA) int {
		return cmp.Or(count[y]-count[x], int(x.R)-int(y.R), int(x.G)-int(y.G), int(x.B)-int(y.B))
	})
	palette := make(color.Palette, 0, 256)
	for _, c := range all[:min(len(all), 256)] {
		palette = append(palette, c)
	}
	index := map[color.RGBA]uint8{}
	dst := image.NewPaletted(b, palette)
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			c := at(x, y)
			i, ok := index[c]
			if !ok {
				i = uint8(palette.Index(c))
				index[c] = i
			}
			dst.SetColorIndex(x, y, i)
		}
	}
	var out bytes.Buffer
	err = (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&out, dst)
	return out.Bytes(), err
}

// coarse makes one shade of those that no eye tells apart; black and white stay what they are.
func coarse(v uint32) uint8 { return uint8(v>>8)&^3 | uint8(v>>14) }

// Alike says whether two pictures show the same page: of the same size, with at most a twentieth of their points different. Clocks, ids and
// durations differ each time.
func Alike(a, b []byte) bool {
	x, errA := png.Decode(bytes.NewReader(a))
	y, errB := png.Decode(bytes.NewReader(b))
	if errA != nil || errB != nil || x.Bounds() != y.Bounds() {
		return false
	}
	r, differ := x.Bounds(), 0
	for i := r.Min.Y; i < r.Max.Y; i++ {
		for j := r.Min.X; j < r.Max.X; j++ {
			if abs(brightness(x.At(j, i))-brightness(y.At(j, i))) > 24 {
				differ++
			}
		}
	}
	return differ*20 <= r.Dx()*r.Dy()
}

func brightness(c color.Color) int { return int(color.GrayModel.Convert(c).(color.Gray).Y) }

func abs(n int) int { return max(n, -n) }
