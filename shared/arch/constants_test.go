package arch

import (
	"go/ast"
	"go/token"
	"path"
	"strconv"
	"strings"
	"testing"
)

// units are the values of constants of the package time, in seconds.
var units = map[string]float64{"Millisecond": 0.001, "Second": 1, "Minute": 60, "Hour": 3600}

// values are the expressions of variables and constants, by their folder and name:
// "shared/webhook.jitter".
type values map[string]ast.Expr

func readValues(t *testing.T) values {
	t.Helper()
	found := values{}
	for _, s := range sources(t) {
		if s.isTest() {
			continue
		}
		for _, d := range s.ast.Decls {
			group, ok := d.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, spec := range group.Specs {
				v, ok := spec.(*ast.ValueSpec)
				if !ok {
					continue
				}
				for i := range v.Values {
					found[s.dir+"."+v.Names[i].Name] = v.Values[i]
				}
			}
		}
	}
	return found
}

// list evaluates a list or a single number by its name. Durations are in seconds.
func (v values) list(t *testing.T, name string) (numbers []float64) {
	t.Helper()
	folder, _, _ := strings.Cut(name, ".")
	literal, ok := v[name].(*ast.CompositeLit)
	if !ok {
		return []float64{v.number(t, folder, v[name])}
	}
	for _, element := range literal.Elts {
		numbers = append(numbers, v.number(t, folder, element))
	}
	return numbers
}

// number evaluates an expression that is in a folder.
func (v values) number(t *testing.T, folder string, e ast.Expr) float64 {
	t.Helper()
	switch e := e.(type) {
	case *ast.BasicLit:
		if whole, err := strconv.ParseInt(e.Value, 0, 64); err == nil {
			return float64(whole)
		}
		if n, err := strconv.ParseFloat(e.Value, 64); err == nil {
			return n
		}
	case *ast.ParenExpr:
		return v.number(t, folder, e.X)
	case *ast.Ident:
		return v.number(t, folder, v[folder+"."+e.Name])
	case *ast.SelectorExpr:
		if n, ok := units[e.Sel.Name]; ok {
			return n
		}
		beside := path.Dir(folder) + "/" + e.X.(*ast.Ident).Name
		return v.number(t, beside, v[beside+"."+e.Sel.Name])
	case *ast.BinaryExpr:
		return binary(t, e.Op, v.number(t, folder, e.X), v.number(t, folder, e.Y))
	case *ast.CallExpr: // a conversion
		return v.number(t, folder, e.Args[0])
	}
	t.Fatalf("cannot evaluate %T in %s: give it a simpler value, or extend this function", e, folder)
	return 0
}

func binary(t *testing.T, op token.Token, x, y float64) float64 {
	t.Helper()
	switch op {
	case token.MUL:
		return x * y
	case token.ADD:
		return x + y
	case token.SUB:
		return x - y
	case token.QUO:
		return x / y
	case token.SHL:
		return float64(int64(x) << int64(y))
	}
	t.Fatalf("cannot evaluate %s: extend this function", op)
	return 0
}
