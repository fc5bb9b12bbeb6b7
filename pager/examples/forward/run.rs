//! The same prompt twice: weights in plain memory, and weights in an arena that may have half of them there.
#![allow(unsafe_code, reason = "weights are where an arena's addresses are")]

use crate::model::{Model, greatest};
use crate::weights::{Shape, Weights};
use kvcpu_driver::Device;
use kvcpu_emulator::Emulator;
use kvcpu_mmio::{Backing, Geometry};
use kvcpu_pager::container::{OpenOptions, Region, WriterOptions};
use kvcpu_pager::{
    Advice, Arena, BlockSize, Container, Counters, Hepc, Options, OwnerSecret, Policy, SealOptions, seal_file,
};
use std::error::Error;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Tokens of the prompt.
const PROMPT: [usize; 8] = [1, 17, 42, 99, 7, 64, 5, 23];

/// What came of it.
pub(crate) struct Report {
    pub(crate) file_bytes: u64,
    pub(crate) sealed_bytes: u64,
    pub(crate) plain: Duration,
    pub(crate) paged: Duration,
    pub(crate) counters: Counters,
    pub(crate) tokens: Vec<usize>,
}

/// Logits of each position, and the tokens that follow the prompt.
type Output = (Vec<Vec<f32>>, Vec<usize>);

/// Writes a model's file to the folder, seals it, and runs it for so many tokens both ways; panics if a bit differs.
pub(crate) fn run(shape: Shape, block_size: BlockSize, tokens: usize, folder: &Path) -> Result<Report, Box<dyn Error>> {
    let (file, sealed) = (folder.join("model.safetensors"), folder.join("model.tza"));
    shape.write(&file, 1)?;
    let secret = OwnerSecret::random()?;
    let writer = WriterOptions { block_size, secret: Some(&secret), ..WriterOptions::default() };
    let report = seal_file(&file, &sealed, &SealOptions { writer, ..SealOptions::default() }, |_| {})?;
    let container = Container::open(&sealed, OpenOptions { secret: Some(&secret), ..OpenOptions::default() })?;
    let regions = container.regions().to_vec();
    let file_bytes = report.summary.total_bytes;

    // Words, so that elements are aligned as they are in the arena.
    let mut words = vec![0u64; (file_bytes as usize).div_ceil(8)];
    let bytes = &mut bytemuck::cast_slice_mut(&mut words)[..file_bytes as usize];
    bytes.copy_from_slice(&std::fs::read(&file)?);
    let bytes: &[u8] = bytes;
    let weights = Weights::new(&shape, |name| {
        let region = find(&regions, name);
        bytemuck::cast_slice(&bytes[region.start as usize..region.end as usize])
    });
    let begin = Instant::now();
    let expected = generate(Model::new(shape, weights), tokens, || {}, |_| {});
    let plain = begin.elapsed();

    let budget_bytes = file_bytes / 2 / block_size.bytes() as u64 * block_size.bytes() as u64;
    let options = Options {
        block_bytes: block_size.bytes(),
        budget_bytes: Some(budget_bytes),
        policy: Policy::Hepc(hepc()?),
        ..Options::default()
    };
    let arena = Arena::new(Box::new(container), options)?;
    let begin = Instant::now();
    let output = paged(&arena, &regions, shape, tokens)?;
    let paged = begin.elapsed();
    let bits = |(logits, tokens): &Output| -> (Vec<u32>, Vec<usize>) {
        (logits.iter().flatten().map(|logit| logit.to_bits()).collect(), tokens.clone())
    };
    assert!(bits(&output) == bits(&expected), "the arena's weights give other logits");
    assert!(arena.resident_bytes() <= budget_bytes, "more is there than the budget");
    let counters = arena.counters();
    Ok(Report { file_bytes, sealed_bytes: report.summary.file_bytes, plain, paged, counters, tokens: output.1 })
}

/// From the arena's memory, with what a runtime knows: what every token needs, which layer is next, and when a token begins.
fn paged(arena: &Arena, regions: &[Region], shape: Shape, tokens: usize) -> Result<Output, Box<dyn Error>> {
    let weights = Weights::new(&shape, |name| slice(arena, find(regions, name)));
    for name in shape.tensors().iter().map(|tensor| &tensor.name) {
        if name == "embedding" || name.ends_with("norm") {
            // Of a block that is not there the policy remembers nothing.
            arena.prefault(find(regions, name))?;
            arena.advise(find(regions, name), Advice::Hot)?;
        }
    }
    let layer = |number: usize| {
        let next = (number + 1) % shape.layers;
        find(regions, &format!("{next}.query")).start..find(regions, &format!("{next}.down")).end
    };
    let mut failed = None;
    let begins = |number| {
        failed = arena.advise(layer(number), Advice::Prefetch).err().or(failed.take());
    };
    let output = generate(Model::new(shape, weights), tokens, || arena.step(), begins);
    failed.map_or(Ok(output), |error| Err(error.into()))
}

/// A tensor in the arena's memory.
fn slice(arena: &Arena, range: Range<u64>) -> &[u16] {
    let elements = (range.end - range.start) as usize / 2;
    assert!(range.end <= arena.bytes() && range.start.is_multiple_of(2));
    // SAFETY: within the arena, which outlives the slice, and aligned. Nobody writes to it, it is read-only: blocks go and come back with the
    // same bytes, as no claim can end here, and one that cannot come back ends the process in place of the read. Any bytes are a `u16`.
    unsafe { std::slice::from_raw_parts(arena.as_ptr().add(range.start as usize).cast(), elements) }
}

/// The prompt, then the likeliest token again and again.
fn generate(mut model: Model<'_>, tokens: usize, step: impl Fn(), mut begins: impl FnMut(usize)) -> Output {
    let (mut all, mut following) = (Vec::new(), Vec::new());
    let mut one = |token| {
        step();
        let logits = model.forward(token, &mut begins);
        let next = greatest(&logits);
        all.push(logits);
        next
    };
    let mut next = PROMPT.map(&mut one)[PROMPT.len() - 1];
    for _ in 0..tokens {
        following.push(next);
        next = one(next);
    }
    (all, following)
}

/// The bytes of a tensor that is there: the file was written from the same list.
fn find(regions: &[Region], name: &str) -> Range<u64> {
    let region = regions.iter().find(|region| region.name == name);
    region.map_or(0..0, |region| region.offset..region.offset + region.bytes)
}

/// The device that chooses victims, emulated.
fn hepc() -> Result<Hepc, Box<dyn Error>> {
    let backing: Arc<dyn Backing> = Arc::new(Emulator::new(Geometry::TEST)?);
    Ok(Hepc::new(Device::probe(backing)?))
}
