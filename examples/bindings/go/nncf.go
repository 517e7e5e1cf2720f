// SPDX-License-Identifier: Apache-2.0

// Package nncf is libnncf by cgo: a config, one linear layer, and its controller. It shows the way; the rest of the C API
// is called alike. The headers are read when it is compiled.
//
// The library keeps pointers to weights and gradients, which Go's memory may not be: they are C's, and slices show them.
package nncf

/*
#cgo pkg-config: nncf
#include <nncf/nncf.h>
#include <stdlib.h>

// cgo passes pointers to Go's floats, but not structs that hold them: the views are made here.
static nncf_tensor view(float *data, const int64_t *shape)
{
	nncf_tensor t = {0};
	t.data = data;
	t.shape = shape;
	t.ndim = 2;
	t.dtype = NNCF_F32;
	return t;
}

static nncf_status forward(nncf_layer *layer, float *x, int64_t rows, int64_t in, float *y, int64_t out, nncf_error *err)
{
	const int64_t x_shape[2] = {rows, in}, y_shape[2] = {rows, out};
	nncf_tensor tx = view(x, x_shape), ty = view(y, y_shape);
	return nncf_layer_forward(layer, &tx, 1, &ty, err);
}

static nncf_status backward(nncf_layer *layer, float *x, int64_t rows, int64_t in, float *dy, int64_t out, float *dx, nncf_error *err)
{
	const int64_t x_shape[2] = {rows, in}, y_shape[2] = {rows, out};
	nncf_tensor tx = view(x, x_shape), tdy = view(dy, y_shape), tdx = view(dx, x_shape);
	return nncf_layer_backward(layer, &tx, 1, &tdy, &tdx, err);
}
*/
import "C"

import (
	"fmt"
	"unsafe"
)

// Error is a refused call.
type Error struct {
	Status       int
	Message      string // names the place and the cure
	Where        string
	Line, Column int
}

func (e *Error) Error() string { return e.Message }

func check(status C.nncf_status, record *C.nncf_error) error {
	if status == C.NNCF_OK {
		return nil
	}
	return &Error{int(status), C.GoString(&record.message[0]), C.GoString(&record.where[0]), int(record.line), int(record.column)}
}

func newRecord() *C.nncf_error {
	record := &C.nncf_error{}
	record.struct_size = C.sizeof_nncf_error
	return record
}

// Version is that of the library that is loaded.
func Version() string { return C.GoString(C.nncf_version_string()) }

// Linear is a network of one linear layer, with its controller. Close destroys it.
type Linear struct {
	Weight, WeightGrad []float32 // (Out, In), of C's memory
	In, Out            int
	model              *C.nncf_model
	layer              *C.nncf_layer
	ctrl               *C.nncf_compression_ctrl
}

func floats(n int) []float32 {
	return unsafe.Slice((*float32)(C.calloc(C.size_t(n), C.sizeof_float)), n)
}

func pointer(s []float32) *C.float { return (*C.float)(unsafe.Pointer(&s[0])) }

// NewLinear makes the layer and applies a config to it.
func NewLinear(config string, weight []float32, in, out int) (*Linear, error) {
	if in < 1 || out < 1 || len(weight) != in*out {
		return nil, fmt.Errorf("nncf: a weight of %d elements is not (%d, %d)", len(weight), out, in)
	}
	record := newRecord()
	text, scope := C.CString(config), C.CString("Net/Linear[fc]")
	defer C.free(unsafe.Pointer(text))
	defer C.free(unsafe.Pointer(scope))
	var parsed *C.nncf_config
	if err := check(C.nncf_config_parse(nil, nil, text, C.size_t(len(config)), nil, &parsed, record), record); err != nil {
		return nil, err
	}
	defer C.nncf_config_destroy(parsed)
	n := &Linear{Weight: floats(in * out), WeightGrad: floats(in * out), In: in, Out: out}
	copy(n.Weight, weight)
	if err := n.build(parsed, scope); err != nil {
		n.Close()
		return nil, err
	}
	return n, nil
}

func (n *Linear) build(config *C.nncf_config, scope *C.char) error {
	record := newRecord()
	if err := check(C.nncf_model_create(nil, &n.model, record), record); err != nil {
		return err
	}
	params := (*C.nncf_linear_params)(C.calloc(1, C.sizeof_nncf_linear_params))
	defer C.free(unsafe.Pointer(params))
	C.nncf_linear_params_init(params, C.sizeof_nncf_linear_params)
	params.scope = scope
	params.weight = pointer(n.Weight)
	params.weight_grad = pointer(n.WeightGrad)
	params.in_features = C.int64_t(n.In)
	params.out_features = C.int64_t(n.Out)
	if err := check(C.nncf_model_add_linear(n.model, params, &n.layer, record), record); err != nil {
		return err
	}
	return check(C.nncf_compression_ctrl_create(n.model, config, &n.ctrl, record), record)
}

// Close destroys everything. A second call does nothing.
func (n *Linear) Close() {
	C.nncf_compression_ctrl_destroy(n.ctrl)
	C.nncf_model_destroy(n.model)
	if n.Weight != nil {
		C.free(unsafe.Pointer(&n.Weight[0]))
		C.free(unsafe.Pointer(&n.WeightGrad[0]))
	}
	*n = Linear{}
}

// Initialize sets the ranges; forward runs the next batch.
func (n *Linear) Initialize(forward func() error) error {
	for {
		record := newRecord()
		var more C.int32_t
		if err := check(C.nncf_compression_ctrl_init_step(n.ctrl, &more, record), record); err != nil || more == 0 {
			return err
		}
		if err := forward(); err != nil {
			return err
		}
	}
}

func (n *Linear) rows(x []float32) (int, error) {
	if n.layer == nil || len(x) == 0 || len(x)%n.In != 0 {
		return 0, fmt.Errorf("nncf: an input of %d elements has no rows of %d", len(x), n.In)
	}
	return len(x) / n.In, nil
}

// Forward returns the output of a batch of rows.
func (n *Linear) Forward(x []float32) ([]float32, error) {
	rows, err := n.rows(x)
	if err != nil {
		return nil, err
	}
	record := newRecord()
	y := make([]float32, rows*n.Out)
	return y, check(C.forward(n.layer, pointer(x), C.int64_t(rows), C.int64_t(n.In), pointer(y), C.int64_t(n.Out), record), record)
}

// Backward adds to WeightGrad and returns the gradient of x. dy is used up.
func (n *Linear) Backward(x, dy []float32) ([]float32, error) {
	rows, err := n.rows(x)
	if err != nil {
		return nil, err
	}
	if len(dy) != rows*n.Out {
		return nil, fmt.Errorf("nncf: a gradient of %d elements for an output of %d", len(dy), rows*n.Out)
	}
	record := newRecord()
	dx := make([]float32, len(x))
	return dx, check(C.backward(n.layer, pointer(x), C.int64_t(rows), C.int64_t(n.In), pointer(dy), C.int64_t(n.Out), pointer(dx), record), record)
}

// Update is an optimizer's step over the controller's own parameters, the ranges, and clears their gradients.
func (n *Linear) Update() error {
	record := newRecord()
	if err := check(C.nncf_compression_ctrl_update(n.ctrl, nil, record), record); err != nil {
		return err
	}
	return check(C.nncf_compression_ctrl_zero_grad(n.ctrl, record), record)
}

// Step comes after the optimizer's.
func (n *Linear) Step() error {
	record := newRecord()
	return check(C.nncf_compression_ctrl_step(n.ctrl, record), record)
}

// EpochStep comes after each epoch.
func (n *Linear) EpochStep() error {
	record := newRecord()
	return check(C.nncf_compression_ctrl_epoch_step(n.ctrl, record), record)
}

// Sparsity is the share of zeros.
func (n *Linear) Sparsity() (float64, error) {
	record := newRecord()
	statistics := C.nncf_statistics{struct_size: C.sizeof_nncf_statistics}
	err := check(C.nncf_compression_ctrl_get_statistics(n.ctrl, &statistics, record), record)
	return float64(statistics.sparsity), err
}
