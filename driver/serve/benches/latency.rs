//! A register read over the socket against a bare ping-pong of as many bytes over the same kind of socket, in turn, in one run.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kvcpu_driver::vfio_user::VfioUser;
use kvcpu_driver::vfio_user::wire::{Header, RegionAccess};
use kvcpu_emulator::Emulator;
use kvcpu_mmio::regs::control;
use kvcpu_mmio::{Backing, Bar, Geometry};
use kvcpu_serve::{ClientMemory, Served, Server};

/// Reads, and round trips, of a batch; batches of each in turn.
const BATCH: usize = 200;
const BATCHES: usize = 100;
/// Bytes of a question and of its answer.
const QUESTION: usize = Header::BYTES + RegionAccess::BYTES;
const ANSWER: usize = QUESTION + 4;

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1e6
}

/// The other end of the ping-pong, until it is closed.
fn echo(mut stream: UnixStream) {
    let (mut question, answer) = ([0; QUESTION], [0; ANSWER]);
    while stream.read_exact(&mut question).and_then(|()| stream.write_all(&answer)).is_ok() {}
}

fn main() -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let socket = folder.path().join("device");
    let memory = ClientMemory::default();
    let bus = memory.clone();
    let device = Arc::new(Emulator::with_bus(Geometry::TEST, |_| Box::new(bus))?);
    let server = Server::bind(&socket, Served { device, memory, is_clocked: false })?;
    let serving = std::thread::spawn(move || server.run(Some(1)));
    let device = VfioUser::connect(&socket)?;

    let (mut ping, pong) = UnixStream::pair()?;
    let echoing = std::thread::spawn(|| echo(pong));
    let (mut reads, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..BATCHES {
        for _ in 0..BATCH {
            let begin = Instant::now();
            std::hint::black_box(device.read32(Bar::Regs, control::SCRATCH.offset)?);
            reads.push(begin.elapsed());
        }
        for _ in 0..BATCH {
            let begin = Instant::now();
            ping.write_all(&[0; QUESTION])?;
            ping.read_exact(&mut [0; ANSWER])?;
            bare.push(begin.elapsed());
        }
    }
    drop((device, ping));
    echoing.join().map_err(|_| "the echo panicked")?;
    serving.join().map_err(|_| "the server panicked")??;
    let (read, bare) = (median(reads), median(bare));
    println!(
        "register read over vfio-user: median {read:.1} us; bare ping-pong of {QUESTION} and {ANSWER} bytes: {bare:.1} us; ratio {:.2}",
        read / bare
    );
    Ok(())
}
