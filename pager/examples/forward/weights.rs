//! The model's weights: their names and shapes, a safetensors file of random ones, and where they are in memory.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;
use std::io::{BufWriter, Write};
use std::path::Path;

/// What a model is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) layers: usize,
    pub(crate) d_model: usize,
    pub(crate) heads: usize,
    pub(crate) hidden: usize,
    pub(crate) vocabulary: usize,
}

/// A tensor of bfloat16, rows first.
pub(crate) struct Tensor {
    pub(crate) name: String,
    pub(crate) rows: usize,
    pub(crate) columns: usize,
}

/// The matrices of a layer.
const MATRICES: [&str; 7] = ["query", "key", "value", "output", "gate", "up", "down"];

impl Shape {
    /// All tensors, in the order of the file: what each token needs, then layer by layer, then the head.
    pub(crate) fn tensors(&self) -> Vec<Tensor> {
        let Shape { layers, d_model, hidden, vocabulary, .. } = *self;
        let tensor = |name: String, rows, columns| Tensor { name, rows, columns };
        let mut all = vec![tensor("embedding".into(), vocabulary, d_model), tensor("norm".into(), 1, d_model)];
        for layer in 0..layers {
            all.push(tensor(format!("{layer}.attention_norm"), 1, d_model));
            all.push(tensor(format!("{layer}.mlp_norm"), 1, d_model));
        }
        for layer in 0..layers {
            for matrix in MATRICES {
                let (rows, columns) = match matrix {
                    "gate" | "up" => (hidden, d_model),
                    "down" => (d_model, hidden),
                    _ => (d_model, d_model),
                };
                all.push(tensor(format!("{layer}.{matrix}"), rows, columns));
            }
        }
        all.push(tensor("head".into(), vocabulary, d_model));
        all
    }

    /// Writes a safetensors file of random weights, the same for the same seed.
    pub(crate) fn write(&self, path: &Path, seed: u64) -> std::io::Result<()> {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let tensors = self.tensors();
        let (mut header, mut end) = (serde_json::Map::new(), 0);
        for Tensor { name, rows, columns } in &tensors {
            let begin = end;
            end += 2 * rows * columns;
            header.insert(
                name.clone(),
                json!({ "dtype": "BF16", "shape": [rows, columns], "data_offsets": [begin, end] }),
            );
        }
        let mut header = serde_json::to_vec(&header)?;
        // Tensors begin at a multiple of 8, so that their elements are aligned.
        header.resize(header.len().next_multiple_of(8), b' ');
        let mut file = BufWriter::new(std::fs::File::create(path)?);
        file.write_all(&(header.len() as u64).to_le_bytes())?;
        file.write_all(&header)?;
        for Tensor { rows, columns, name } in &tensors {
            let is_norm = name.ends_with("norm");
            // Keeps the variance from layer to layer.
            let most = (3.0 / *columns as f32).sqrt();
            for _ in 0..rows * columns {
                let weight = if is_norm { random.random_range(0.9..1.1) } else { random.random_range(-most..most) };
                file.write_all(&bf16(weight).to_le_bytes())?;
            }
        }
        file.flush()
    }
}

/// A bfloat16: the upper half of a float.
fn bf16(value: f32) -> u16 {
    (value.to_bits() >> 16) as u16
}

/// A layer's weights.
pub(crate) struct Layer<'a> {
    pub(crate) attention_norm: &'a [u16],
    pub(crate) query: &'a [u16],
    pub(crate) key: &'a [u16],
    pub(crate) value: &'a [u16],
    pub(crate) output: &'a [u16],
    pub(crate) mlp_norm: &'a [u16],
    pub(crate) gate: &'a [u16],
    pub(crate) up: &'a [u16],
    pub(crate) down: &'a [u16],
}

/// All weights, wherever they are.
pub(crate) struct Weights<'a> {
    pub(crate) embedding: &'a [u16],
    pub(crate) layers: Vec<Layer<'a>>,
    pub(crate) norm: &'a [u16],
    pub(crate) head: &'a [u16],
}

impl<'a> Weights<'a> {
    /// Each tensor as `find` gives it, by its name.
    pub(crate) fn new(shape: &Shape, find: impl Fn(&str) -> &'a [u16]) -> Weights<'a> {
        let layer = |layer: usize| {
            let find = |name: &str| find(&format!("{layer}.{name}"));
            Layer {
                attention_norm: find("attention_norm"),
                query: find("query"),
                key: find("key"),
                value: find("value"),
                output: find("output"),
                mlp_norm: find("mlp_norm"),
                gate: find("gate"),
                up: find("up"),
                down: find("down"),
            }
        };
        let layers = (0..shape.layers).map(layer).collect();
        Weights { embedding: find("embedding"), layers, norm: find("norm"), head: find("head") }
    }
}
