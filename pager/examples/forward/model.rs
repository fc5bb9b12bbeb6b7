//! A transformer's forward pass, a token at a time: f32 arithmetic over bfloat16 weights, in one order, so that the same weights give the
//! same bits.
//!
//! ```text
//!  token ─► embedding ─┬─► RMSNorm ─► attention over the cache ─(+)─┬─► RMSNorm ─► SwiGLU ─(+)─► ... ─► RMSNorm ─► head ─► logits
//!                      └─────────────────────────────────────────┘  └───────────────────────┘
//! ```

use crate::weights::{Layer, Shape, Weights};

/// Accumulators of a dot product: the processor's registers hold them.
const LANES: usize = 16;

/// Keys and values of the tokens so far, for each layer.
pub(crate) struct Model<'a> {
    shape: Shape,
    weights: Weights<'a>,
    cache: Vec<[Vec<f32>; 2]>,
    position: usize,
}

impl<'a> Model<'a> {
    pub(crate) fn new(shape: Shape, weights: Weights<'a>) -> Model<'a> {
        Model { shape, weights, cache: vec![Default::default(); shape.layers], position: 0 }
    }

    /// The logits after one more token. `begins` is told of each layer before its weights are used.
    pub(crate) fn forward(&mut self, token: usize, mut begins: impl FnMut(usize)) -> Vec<f32> {
        let width = self.shape.d_model;
        let row = &self.weights.embedding[token * width..(token + 1) * width];
        let mut stream: Vec<f32> = row.iter().map(|&weight| widen(weight)).collect();
        for (number, (layer, cache)) in self.weights.layers.iter().zip(&mut self.cache).enumerate() {
            begins(number);
            let input = rms_norm(&stream, layer.attention_norm);
            add(&mut stream, &attention(layer, &input, cache, self.shape.heads, self.position));
            let input = rms_norm(&stream, layer.mlp_norm);
            add(&mut stream, &swiglu(layer, &input));
        }
        self.position += 1;
        multiply(self.weights.head, &rms_norm(&stream, self.weights.norm))
    }
}

/// The token with the greatest logit, the first of several.
pub(crate) fn greatest(logits: &[f32]) -> usize {
    (1..logits.len()).fold(0, |best, token| if logits[token] > logits[best] { token } else { best })
}

fn widen(bf16: u16) -> f32 {
    f32::from_bits(u32::from(u16::from_le(bf16)) << 16)
}

fn add(to: &mut [f32], more: &[f32]) {
    to.iter_mut().zip(more).for_each(|(to, more)| *to += more);
}

/// The matrix, as many columns as the vector has, times the vector.
fn multiply(matrix: &[u16], vector: &[f32]) -> Vec<f32> {
    matrix.chunks_exact(vector.len()).map(|row| dot(row, vector)).collect()
}

fn dot(row: &[u16], vector: &[f32]) -> f32 {
    let mut sums = [0.0; LANES];
    let (rows, row_rest) = row.as_chunks::<LANES>();
    let (vectors, vector_rest) = vector.as_chunks::<LANES>();
    for (row, vector) in rows.iter().zip(vectors) {
        for lane in 0..LANES {
            sums[lane] += widen(row[lane]) * vector[lane];
        }
    }
    let rest = row_rest.iter().zip(vector_rest).map(|(&weight, value)| widen(weight) * value);
    sums.into_iter().chain(rest).sum()
}

fn rms_norm(stream: &[f32], weights: &[u16]) -> Vec<f32> {
    let mean = stream.iter().map(|value| value * value).sum::<f32>() / stream.len() as f32;
    let scale = 1.0 / (mean + 1e-5).sqrt();
    stream.iter().zip(weights).map(|(value, &weight)| value * scale * widen(weight)).collect()
}

/// Turns pairs of a head's elements by angles that tell its position.
fn rotate(vector: &mut [f32], width: usize, position: usize) {
    for head in vector.chunks_exact_mut(width) {
        let (left, right) = head.split_at_mut(width / 2);
        for (n, (x, y)) in left.iter_mut().zip(right).enumerate() {
            let angle = position as f32 * 10_000f32.powf(-2.0 * n as f32 / width as f32);
            let (sine, cosine) = angle.sin_cos();
            (*x, *y) = (*x * cosine - *y * sine, *x * sine + *y * cosine);
        }
    }
}

/// Each head looks at all tokens so far; those to come are not in the cache.
fn attention(
    layer: &Layer<'_>,
    input: &[f32],
    [keys, values]: &mut [Vec<f32>; 2],
    heads: usize,
    position: usize,
) -> Vec<f32> {
    let (all, width) = (input.len(), input.len() / heads);
    let (mut query, mut key) = (multiply(layer.query, input), multiply(layer.key, input));
    rotate(&mut query, width, position);
    rotate(&mut key, width, position);
    keys.extend(key);
    values.extend(multiply(layer.value, input));
    let mut mixed = vec![0.0; all];
    for head in (0..all).step_by(width) {
        let query = &query[head..head + width];
        let score = |key: &[f32]| {
            let product: f32 = query.iter().zip(&key[head..head + width]).map(|(q, k)| q * k).sum();
            product / (width as f32).sqrt()
        };
        let scores: Vec<f32> = keys.chunks_exact(all).map(score).collect();
        let most = scores.iter().copied().fold(f32::MIN, f32::max);
        let shares: Vec<f32> = scores.iter().map(|score| (score - most).exp()).collect();
        let sum: f32 = shares.iter().sum();
        for (share, value) in shares.iter().zip(values.chunks_exact(all)) {
            let mixed = &mut mixed[head..head + width];
            mixed
                .iter_mut()
                .zip(&value[head..head + width])
                .for_each(|(to, v)| *to += share / sum * v);
        }
    }
    multiply(layer.output, &mixed)
}

fn swiglu(layer: &Layer<'_>, input: &[f32]) -> Vec<f32> {
    let (gate, up) = (multiply(layer.gate, input), multiply(layer.up, input));
    let gated: Vec<f32> = gate.iter().zip(&up).map(|(gate, up)| gate / (1.0 + (-gate).exp()) * up).collect();
    multiply(layer.down, &gated)
}
