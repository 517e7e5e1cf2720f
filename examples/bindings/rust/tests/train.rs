// SPDX-License-Identifier: Apache-2.0
//! Gradients against finite differences, a training with masks and 8 bits, refusals.
use nncf::{sys, Config, Ctrl, Model};

const MAGNITUDE: &str = r#"{ "compression": { "algorithm": "magnitude_sparsity",
    "params": { "sparsity_init": 0.5, "sparsity_target": 0.5 } } }"#;
const RB_INT8: &str = r#"{ "compression": [ { "algorithm": "rb_sparsity", "params": { "sparsity_init": 0.01, // of the weights
    "sparsity_target": 0.5, "sparsity_steps": 4, "sparsity_training_steps": 8 } },
    { "algorithm": "quantization", "initializer": { "num_init_steps": 1 } } ] }"#;

struct Noise(u32);

impl Noise {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(1664525).wrapping_add(1013904223);
        (self.0 >> 8) as f32 / 8388608.0 - 1.0
    }
    fn many(&mut self, n: usize, size: f32) -> Vec<f32> {
        (0..n).map(|_| size * self.next()).collect()
    }
}

#[test]
fn gradients_of_a_masked_layer() {
    let mut noise = Noise(1);
    let mut model = Model::new().unwrap();
    let fc = model.add_linear("Net/Linear[fc]", 6, noise.many(24, 1.0), false, None).unwrap();
    let mut ctrl = Ctrl::new(model, &Config::parse(MAGNITUDE, "a").unwrap()).unwrap();
    let x = noise.many(30, 1.0);
    let loss = |ctrl: &mut Ctrl| -> f64 { ctrl.model.forward(fc, &x).unwrap().iter().map(|v| 0.5 * f64::from(v * v)).sum() };
    let y = ctrl.model.forward(fc, &x).unwrap();
    ctrl.model.backward(fc, &x, y).unwrap();
    let mut grad = Vec::new();
    ctrl.parameters(|p| grad.push(p.grad.to_vec())).unwrap();
    assert_eq!(grad.len(), 2);
    let mut masked = 0;
    for (which, grad) in grad.iter().enumerate() {
        for (i, expected) in grad.iter().enumerate() {
            let mut shifted = |by: f32| {
                let mut k = 0;
                ctrl.parameters(|p| {
                    if k == which {
                        p.data[i] += by;
                    }
                    k += 1;
                })
                .unwrap();
                loss(&mut ctrl)
            };
            let h = 1.0 / 64.0;
            let above = shifted(h);
            let below = shifted(-2.0 * h);
            shifted(h);
            let slope = (above - below) / (2.0 * f64::from(h));
            assert!((slope - f64::from(*expected)).abs() < 1e-3, "{slope} {expected}");
            masked += usize::from(slope == 0.0);
        }
    }
    assert_eq!(masked, 12);
}

#[test]
fn a_compressed_network_learns() {
    const BATCH: usize = 32;
    let mut noise = Noise(1);
    let mut model = Model::new().unwrap();
    let first = model.add_linear("Net/Linear[fc1]", 64, noise.many(32 * 64, 0.125), true, None).unwrap();
    let second = model.add_linear("Net/Linear[fc2]", 32, noise.many(4 * 32, 0.175), false, Some(first)).unwrap();
    let mut ctrl = Ctrl::new(model, &Config::parse(RB_INT8, "a").unwrap()).unwrap();
    let mut batch = || -> Vec<f32> {
        (0..BATCH * 64).map(|i| noise.next() + if i % 64 / 16 == i / 64 % 4 { 0.5 } else { 0.0 }).collect()
    };
    ctrl.initialize(|model| {
        let hidden = model.forward(first, &batch())?;
        model.forward(second, &hidden).map(|_| ())
    })
    .unwrap();
    let (mut begin, mut end) = (0.0, 0.0);
    for epoch in 0..8 {
        for step in 0..60 {
            let x = batch();
            let hidden = ctrl.model.forward(first, &x).unwrap();
            let y = ctrl.model.forward(second, &hidden).unwrap();
            let (mut loss, mut dy) = (0.0, vec![0.0f32; y.len()]);
            for (row, (out, grad)) in y.chunks(4).zip(dy.chunks_mut(4)).enumerate() {
                let sum: f64 = out.iter().map(|v| f64::from(*v).exp()).sum();
                for c in 0..4 {
                    let target = if c == row % 4 { 1.0 } else { 0.0 };
                    grad[c] = ((f64::from(out[c]).exp() / sum - target) / BATCH as f64) as f32;
                }
                loss += (sum.ln() - f64::from(out[row % 4])) / BATCH as f64;
            }
            ctrl.loss_backward().unwrap();
            let dhidden = ctrl.model.backward(second, &hidden, dy).unwrap();
            ctrl.model.backward(first, &x, dhidden).unwrap();
            ctrl.parameters(|p| {
                let rate = match p.kind {
                    0 => 0.1,
                    k if k == sys::NNCF_PARAMETER_MASK_LOGIT as i32 => 40.0,
                    _ => 0.01,
                };
                for (value, grad) in p.data.iter_mut().zip(p.grad.iter_mut()) {
                    if !p.frozen {
                        *value -= rate * *grad;
                    }
                    *grad = 0.0;
                }
            })
            .unwrap();
            ctrl.step().unwrap();
            end = loss;
            if epoch + step == 0 {
                begin = loss;
            }
        }
        ctrl.epoch_step().unwrap();
    }
    let sparsity = ctrl.statistics().unwrap().sparsity;
    assert!(end < 0.5 * begin, "{begin}, then {end}");
    assert!((sparsity - 0.5).abs() < 0.1, "{sparsity}");
}

#[test]
fn refusals_have_the_place() {
    let error = Config::parse("{\n \"compression\": { \"algorithm\": \"quantisation\" } }", "mine.json").err().unwrap();
    assert_eq!((error.status, error.line, error.place.as_str()), (sys::NNCF_E_CONFIG as i32, 2, "compression.algorithm"));
    assert!(error.to_string().starts_with("mine.json:2:"));
    let mut model = Model::new().unwrap();
    let fc = model.add_linear("fc", 3, vec![1.0; 6], false, None).unwrap();
    assert!(model.add_linear("b", 4, vec![1.0; 6], false, None).is_err());
    assert!(model.add_linear("fc", 3, vec![1.0; 6], false, None).unwrap_err().message.contains("fc"));
    assert_eq!(model.forward(fc, &[1.0; 4]).unwrap_err().status, sys::NNCF_E_SHAPE as i32);
    assert_eq!(model.forward(fc, &[1.0; 3]).unwrap(), [3.0, 3.0]);
    assert_eq!(model.backward(fc, &[1.0; 3], vec![1.0; 3]).unwrap_err().status, sys::NNCF_E_SHAPE as i32);
    assert_eq!(nncf::version().split('.').count(), 3);
}
