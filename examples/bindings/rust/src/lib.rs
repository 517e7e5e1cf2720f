// SPDX-License-Identifier: Apache-2.0
//! libnncf for Rust: a config, a model of linear layers, and its controller, without unsafe code in the caller.
//!
//! The model owns the arrays that the library keeps pointers to; slices of them are borrowed from it, so that no call of
//! the library runs while one is in use. Everything else of the C API is in [`sys`], which bindgen makes from the headers.
#![warn(missing_docs)]

/// The C API as the headers declare it.
#[allow(non_camel_case_types, non_snake_case, non_upper_case_globals, deref_nullptr, missing_docs, clippy::all)]
pub mod sys {
    include!(concat!(env!("OUT_DIR"), "/bindings.rs"));
}

use std::ffi::{CStr, CString};
use std::mem::{size_of, zeroed};
use std::os::raw::c_char;
use std::ptr::{null, null_mut};

/// A refused call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// `NNCF_E_...`
    pub status: i32,
    /// One sentence that names the place and the cure.
    pub message: String,
    /// Config path, scope of a layer, file or tensor name.
    pub place: String,
    /// In the input, counted from 1; 0 when there is none.
    pub line: i32,
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

/// What every call of this crate returns.
pub type Result<T> = std::result::Result<T, Error>;

fn text(chars: &[c_char]) -> String {
    let bytes: Vec<u8> = chars.iter().take_while(|c| **c != 0).map(|c| *c as u8).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn refusal(status: i32, message: &str) -> Error {
    Error { status, message: message.to_string(), place: String::new(), line: 0 }
}

/// Calls a function of C with an error record.
pub fn call(function: impl FnOnce(*mut sys::nncf_error) -> sys::nncf_status) -> Result<()> {
    // SAFETY: zeros are a valid record; the library writes at most struct_size bytes.
    let mut record: sys::nncf_error = unsafe { zeroed() };
    record.struct_size = size_of::<sys::nncf_error>() as _;
    let status = function(&mut record);
    if status == sys::NNCF_OK as i32 {
        return Ok(());
    }
    Err(Error { status, message: text(&record.message), place: text(&record.where_), line: record.line })
}

/// An NNCF config.
pub struct Config(*mut sys::nncf_config);

impl Config {
    /// From a text; `name` stands for the file's in messages.
    pub fn parse(json: &str, name: &str) -> Result<Config> {
        let name = CString::new(name).map_err(|_| refusal(sys::NNCF_E_ARG as i32, "the name has a NUL"))?;
        let mut made = null_mut();
        // SAFETY: all pointers are valid during the call, which keeps none of them.
        call(|err| unsafe {
            sys::nncf_config_parse(null_mut(), name.as_ptr(), json.as_ptr().cast(), json.len() as _, null(), &mut made, err)
        })?;
        Ok(Config(made))
    }
}

impl Drop for Config {
    fn drop(&mut self) {
        // SAFETY: made by nncf_config_parse, and destroyed once.
        unsafe { sys::nncf_config_destroy(self.0) }
    }
}

/// Floats at a place that stays, to which the library keeps a pointer.
struct Buffer(*mut f32, usize);

impl Buffer {
    fn new(values: Vec<f32>) -> Buffer {
        let boxed = values.into_boxed_slice();
        let size = boxed.len();
        Buffer(Box::into_raw(boxed).cast(), size)
    }

    fn get(&mut self) -> &mut [f32] {
        // SAFETY: from a boxed slice of that size; only this object and the library, which does not run now, point to it.
        unsafe { std::slice::from_raw_parts_mut(self.0, self.1) }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: from Box::into_raw.
        unsafe { drop(Box::from_raw(std::ptr::slice_from_raw_parts_mut(self.0, self.1))) }
    }
}

/// A layer of a [`Model`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Layer(usize);

struct Linear {
    c: *mut sys::nncf_layer,
    inputs: usize,
    outputs: usize,
    weight: Buffer,
    weight_grad: Buffer,
    bias: Buffer,
    bias_grad: Buffer,
}

/// An array and its gradient.
pub struct Parameter<'a> {
    /// To be changed in place.
    pub data: &'a mut [f32],
    /// Added to by backward.
    pub grad: &'a mut [f32],
    /// `NNCF_PARAMETER_...`; 0: one of the model's own.
    pub kind: i32,
    /// It must not be changed.
    pub frozen: bool,
}

/// Layers, with the arrays of their parameters.
pub struct Model {
    c: *mut sys::nncf_model,
    layers: Vec<Linear>,
}

impl Model {
    /// An empty one.
    pub fn new() -> Result<Model> {
        let mut made = null_mut();
        // SAFETY: the pointers are valid during the call.
        call(|err| unsafe { sys::nncf_model_create(null_mut(), &mut made, err) })?;
        Ok(Model { c: made, layers: Vec::new() })
    }

    /// A linear layer, y = x w^T + b. `weight` is (outputs, inputs); `from` feeds it.
    pub fn add_linear(&mut self, scope: &str, inputs: usize, weight: Vec<f32>, relu: bool, from: Option<Layer>) -> Result<Layer> {
        if inputs == 0 || weight.is_empty() || weight.len() % inputs != 0 {
            return Err(refusal(sys::NNCF_E_SHAPE as i32, "the weight is no matrix with that number of columns"));
        }
        let scope = CString::new(scope).map_err(|_| refusal(sys::NNCF_E_ARG as i32, "the scope has a NUL"))?;
        let outputs = weight.len() / inputs;
        let mut layer = Linear {
            c: null_mut(),
            inputs,
            outputs,
            weight_grad: Buffer::new(vec![0.0; weight.len()]),
            weight: Buffer::new(weight),
            bias: Buffer::new(vec![0.0; outputs]),
            bias_grad: Buffer::new(vec![0.0; outputs]),
        };
        let feeding: Vec<*mut sys::nncf_layer> = from.iter().map(|l| self.layers[l.0].c).collect();
        // SAFETY: zeros are the defaults; the buffers live until after the model is destroyed; the rest is copied.
        call(|err| unsafe {
            let mut params: sys::nncf_linear_params = zeroed();
            params.struct_size = size_of::<sys::nncf_linear_params>() as _;
            params.scope = scope.as_ptr();
            params.weight = layer.weight.0;
            params.weight_grad = layer.weight_grad.0;
            params.bias = layer.bias.0;
            params.bias_grad = layer.bias_grad.0;
            params.in_features = inputs as i64;
            params.out_features = outputs as i64;
            params.activation = if relu { sys::NNCF_ACTIVATION_RELU as i32 } else { 0 };
            params.inputs = feeding.as_ptr();
            params.n_inputs = feeding.len() as _;
            sys::nncf_model_add_linear(self.c, &params, &mut layer.c, err)
        })?;
        self.layers.push(layer);
        Ok(Layer(self.layers.len() - 1))
    }

    /// The layer's output for a batch of rows.
    pub fn forward(&mut self, layer: Layer, x: &[f32]) -> Result<Vec<f32>> {
        let l = &self.layers[layer.0];
        let rows = rows_of(x.len(), l.inputs)?;
        let mut y = vec![0.0f32; rows * l.outputs];
        let (x_shape, y_shape) = ([rows as i64, l.inputs as i64], [rows as i64, l.outputs as i64]);
        let (tx, mut ty) = (view(x.as_ptr() as *mut f32, &x_shape), view(y.as_mut_ptr(), &y_shape));
        // SAFETY: the views have as many elements as their shapes say; x is only read.
        call(|err| unsafe { sys::nncf_layer_forward(l.c, &tx, 1, &mut ty, err) })?;
        Ok(y)
    }

    /// Adds to the gradients of the parameters, and returns that of x. `dy` is used up.
    pub fn backward(&mut self, layer: Layer, x: &[f32], mut dy: Vec<f32>) -> Result<Vec<f32>> {
        let l = &self.layers[layer.0];
        let rows = rows_of(x.len(), l.inputs)?;
        if dy.len() != rows * l.outputs {
            return Err(refusal(sys::NNCF_E_SHAPE as i32, "dy has another size than the layer's output"));
        }
        let mut dx = vec![0.0f32; x.len()];
        let (x_shape, y_shape) = ([rows as i64, l.inputs as i64], [rows as i64, l.outputs as i64]);
        let tx = view(x.as_ptr() as *mut f32, &x_shape);
        let (mut tdy, mut tdx) = (view(dy.as_mut_ptr(), &y_shape), view(dx.as_mut_ptr(), &x_shape));
        // SAFETY: as in forward.
        call(|err| unsafe { sys::nncf_layer_backward(l.c, &tx, 1, &mut tdy, &mut tdx, err) })?;
        Ok(dx)
    }

    /// Weights and biases of all layers, in order.
    pub fn parameters(&mut self, mut each: impl FnMut(Parameter<'_>)) {
        for l in &mut self.layers {
            each(Parameter { data: l.weight.get(), grad: l.weight_grad.get(), kind: 0, frozen: false });
            each(Parameter { data: l.bias.get(), grad: l.bias_grad.get(), kind: 0, frozen: false });
        }
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        // SAFETY: before its buffers, which are members.
        unsafe { sys::nncf_model_destroy(self.c) }
    }
}

fn rows_of(size: usize, columns: usize) -> Result<usize> {
    if size == 0 || size % columns != 0 {
        return Err(refusal(sys::NNCF_E_SHAPE as i32, "the input is no matrix with the layer's number of columns"));
    }
    Ok(size / columns)
}

fn view(data: *mut f32, shape: &[i64]) -> sys::nncf_tensor {
    // SAFETY: zeros are a valid tensor.
    let mut tensor: sys::nncf_tensor = unsafe { zeroed() };
    tensor.data = data.cast();
    tensor.shape = shape.as_ptr();
    tensor.ndim = shape.len() as i32;
    tensor.dtype = sys::NNCF_F32 as i32;
    tensor
}

/// What a config does to a model, which it takes over.
pub struct Ctrl {
    c: *mut sys::nncf_compression_ctrl,
    /// The layers.
    pub model: Model,
}

impl Ctrl {
    /// Applies the config.
    pub fn new(model: Model, config: &Config) -> Result<Ctrl> {
        let mut made = null_mut();
        // SAFETY: both are alive; the config is not kept.
        call(|err| unsafe { sys::nncf_compression_ctrl_create(model.c, config.0, &mut made, err) })?;
        Ok(Ctrl { c: made, model })
    }

    /// Initialization; `forward` runs the next batch through every layer.
    pub fn initialize(&mut self, mut forward: impl FnMut(&mut Model) -> Result<()>) -> Result<()> {
        loop {
            let mut more = 0;
            // SAFETY: the pointers are valid during the call.
            call(|err| unsafe { sys::nncf_compression_ctrl_init_step(self.c, &mut more, err) })?;
            if more == 0 {
                return Ok(());
            }
            forward(&mut self.model)?;
        }
    }

    /// Backward of the compression loss. Once a step.
    pub fn loss_backward(&mut self) -> Result<f64> {
        let mut loss = 0.0;
        // SAFETY: the pointers are valid during the call.
        call(|err| unsafe { sys::nncf_compression_ctrl_loss_backward(self.c, &mut loss, err) })?;
        Ok(loss)
    }

    /// After the optimizer's step of each batch.
    pub fn step(&mut self) -> Result<()> {
        // SAFETY: the controller is alive.
        call(|err| unsafe { sys::nncf_compression_ctrl_step(self.c, err) })
    }

    /// After each epoch.
    pub fn epoch_step(&mut self) -> Result<()> {
        // SAFETY: the controller is alive.
        call(|err| unsafe { sys::nncf_compression_ctrl_epoch_step(self.c, err) })
    }

    /// The model's parameters and the controller's own, for the optimizer.
    pub fn parameters(&mut self, mut each: impl FnMut(Parameter<'_>)) -> Result<()> {
        self.model.parameters(&mut each);
        // SAFETY: data and grad have `count` floats, and nothing else uses them during the closure.
        unsafe {
            for i in 0..sys::nncf_compression_ctrl_get_parameter_count(self.c) {
                let mut p: sys::nncf_parameter = zeroed();
                p.struct_size = size_of::<sys::nncf_parameter>() as _;
                call(|err| sys::nncf_compression_ctrl_get_parameter(self.c, i, &mut p, err))?;
                each(Parameter {
                    data: std::slice::from_raw_parts_mut(p.data, p.count as usize),
                    grad: std::slice::from_raw_parts_mut(p.grad, p.count as usize),
                    kind: p.kind,
                    frozen: p.frozen != 0,
                });
            }
        }
        Ok(())
    }

    /// Totals over the model.
    pub fn statistics(&self) -> Result<sys::nncf_statistics> {
        // SAFETY: zeros are a valid record.
        let mut result: sys::nncf_statistics = unsafe { zeroed() };
        result.struct_size = size_of::<sys::nncf_statistics>() as _;
        // SAFETY: at most struct_size bytes are written.
        call(|err| unsafe { sys::nncf_compression_ctrl_get_statistics(self.c, &mut result, err) })?;
        Ok(result)
    }
}

impl Drop for Ctrl {
    fn drop(&mut self) {
        // SAFETY: before its model, which is a member.
        unsafe { sys::nncf_compression_ctrl_destroy(self.c) }
    }
}

/// Version of the library that is loaded.
pub fn version() -> String {
    // SAFETY: a static text.
    unsafe { CStr::from_ptr(sys::nncf_version_string()) }.to_string_lossy().into_owned()
}
