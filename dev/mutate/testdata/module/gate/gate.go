// Package gate is a tiny thing with rules, for the tests of the mutation gate.
package gate

// Gate lets a number pass once, and only if it is larger than all before.
type Gate struct {
	newest int
}

// Pass reports whether epoch may pass.
func (g *Gate) Pass(epoch int) bool {
	if epoch <= g.newest {
		return false
	}
	g.newest = epoch
	return true
}

// Name is guarded by no test.
func (g *Gate) Name() string {
	return "gate"
}
