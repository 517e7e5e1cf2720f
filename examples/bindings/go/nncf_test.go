// SPDX-License-Identifier: Apache-2.0

package nncf

import (
	"errors"
	"math"
	"math/rand"
	"strings"
	"testing"
)

const (
	magnitude = `{ "compression": { "algorithm": "magnitude_sparsity", "params": { "sparsity_init": 0.5, "sparsity_target": 0.5 } } }`
	both      = `{ "compression": [ { "algorithm": "magnitude_sparsity", "params": { "sparsity_init": 0.25, "sparsity_target": 0.25 } },
	  { "algorithm": "quantization", "initializer": { "num_init_steps": 1 } } ] }`
)

func random(n int, seed int64) []float32 {
	r, values := rand.New(rand.NewSource(seed)), make([]float32, n)
	for i := range values {
		values[i] = 2*r.Float32() - 1
	}
	return values
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// The gradients of half the sum of squares, against central differences.
func TestGradientsOfAMaskedLayer(t *testing.T) {
	n, err := NewLinear(magnitude, random(24, 1), 6, 4)
	must(t, err)
	defer n.Close()
	x := random(30, 2)
	loss := func() (sum float64) {
		y, err := n.Forward(x)
		must(t, err)
		for _, v := range y {
			sum += 0.5 * float64(v) * float64(v)
		}
		return sum
	}
	y, err := n.Forward(x)
	must(t, err)
	dx, err := n.Backward(x, y)
	must(t, err)
	compare := func(values, grad []float32) (zeros int) {
		for i := range values {
			const h = 1.0 / 64
			value := values[i]
			values[i] = value + h
			above := loss()
			values[i] = value - h
			slope := (above - loss()) / (2 * h)
			values[i] = value
			if math.Abs(slope-float64(grad[i])) > 2e-4 {
				t.Fatalf("element %d: slope %g, gradient %g", i, slope, grad[i])
			}
			if slope == 0 {
				zeros++
			}
		}
		return zeros
	}
	if zeros := compare(n.Weight, n.WeightGrad); zeros != 12 {
		t.Fatalf("%d masked weights", zeros)
	}
	compare(x, dx)
	if sparsity, err := n.Sparsity(); err != nil || sparsity != 0.5 {
		t.Fatal(sparsity, err)
	}
}

func TestACompressedLayerLearns(t *testing.T) {
	n, err := NewLinear(both, random(24, 1), 6, 4)
	must(t, err)
	defer n.Close()
	x, teacher := random(32*6, 2), random(24, 3)
	must(t, n.Initialize(func() error { _, err := n.Forward(x); return err }))
	var first, last float64
	for step := 0; step < 200; step++ {
		for i := range n.WeightGrad {
			n.WeightGrad[i] = 0
		}
		y, err := n.Forward(x)
		must(t, err)
		last = 0
		for i := range y {
			var target float32
			for k := 0; k < 6; k++ {
				target += x[i/4*6+k] * teacher[i%4*6+k]
			}
			d := float64(y[i] - target)
			last += d * d / float64(len(y))
			y[i] = float32(2 * d / float64(len(y)))
		}
		if step == 0 {
			first = last
		}
		_, err = n.Backward(x, y)
		must(t, err)
		for i := range n.Weight {
			n.Weight[i] -= 0.2 * n.WeightGrad[i]
		}
		must(t, n.Update())
		must(t, n.Step())
	}
	must(t, n.EpochStep())
	t.Logf("loss %.4f, then %.4f", first, last)
	if !(last < 0.4*first) {
		t.Fatalf("loss %g, then %g", first, last)
	}
}

func TestRefusalsHaveThePlace(t *testing.T) {
	_, err := NewLinear("{\n \"compression\": { \"algorithm\": \"quantisation\" } }", random(24, 1), 6, 4)
	var refused *Error
	if !errors.As(err, &refused) || refused.Line != 2 || refused.Where != "compression.algorithm" {
		t.Fatal(err)
	}
	if _, err := NewLinear(both, random(23, 1), 6, 4); err == nil || !strings.Contains(err.Error(), "(4, 6)") {
		t.Fatal(err)
	}
	n, err := NewLinear(both, random(24, 1), 6, 4)
	must(t, err)
	if _, err := n.Forward(random(5, 1)); err == nil {
		t.Fatal("an input of 5 elements was accepted")
	}
	n.Close()
	n.Close()
	if _, err := n.Forward(random(6, 1)); err == nil || strings.Count(Version(), ".") != 2 {
		t.Fatal("a closed layer was accepted")
	}
}
