//! A verilated design. The build script makes a table of C functions for each; this is the only place that calls them.
#![allow(unsafe_code, reason = "Verilator's models are C++")]

use std::ffi::{CString, c_char, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr::NonNull;

/// A port of a design.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Port {
    /// Its name in the Verilog.
    pub name: &'static str,
    /// Its bits, 1 to 64.
    pub width: u32,
    /// Whether it is set from outside.
    pub is_input: bool,
}

/// `KvcpuFunctions` of `cpp/design.h`.
#[repr(C)]
struct Functions {
    make: extern "C" fn(seed: u32) -> *mut c_void,
    drop: unsafe extern "C" fn(*mut c_void),
    eval: unsafe extern "C" fn(*mut c_void),
    set: unsafe extern "C" fn(*mut c_void, port: u32, value: u64),
    get: unsafe extern "C" fn(*mut c_void, port: u32) -> u64,
    clock: unsafe extern "C" fn(*mut c_void, inputs: *const u64, outputs: *mut u64),
    trace: unsafe extern "C" fn(*mut c_void, path: *const c_char) -> bool,
}

/// A design that was compiled in.
#[derive(Debug)]
pub struct Design {
    /// Name of its top module.
    pub name: &'static str,
    /// Its ports, in the order of the Verilog.
    pub ports: &'static [Port],
    functions: *const Functions,
}

// SAFETY: all fields are immutable, and the functions keep no state of their own: each model has its context.
unsafe impl Sync for Design {}

impl Design {
    /// The ports in one direction: [`Model::clock`] counts each direction by itself.
    pub fn side(&self, inputs: bool) -> impl Iterator<Item = &'static Port> {
        self.ports.iter().filter(move |port| port.is_input == inputs)
    }
}

/// Every design that was compiled in.
pub(crate) mod designs {
    use super::{Design, Functions, Port};
    include!(concat!(env!("OUT_DIR"), "/designs.rs"));
}
use designs::DESIGNS;

/// The design of that name, if it was compiled in.
pub fn design(name: &str) -> Option<&'static Design> {
    DESIGNS.iter().copied().find(|design| design.name == name)
}

/// An instance of a design.
///
/// Registers and memories start with values drawn from the seed, as in real hardware: what works must not depend on them.
#[derive(Debug)]
pub struct Model {
    design: &'static Design,
    this: NonNull<c_void>,
    clocks: u64,
    inputs: usize,
    outputs: usize,
}

// SAFETY: the C++ object is owned by this one, and each call into it needs `&mut` (or changes nothing). It has a context of
// its own; the thread-local context of Verilator's library is read only while a model is made and a waveform is opened,
// which set it.
unsafe impl Send for Model {}

impl Model {
    /// An instance with all inputs 0.
    ///
    /// # Panics
    ///
    /// If memory runs out.
    pub fn new(design: &'static Design, seed: u32) -> Model {
        // SAFETY: the table is a constant of the library that the build script compiled with this design.
        let functions = unsafe { &*design.functions };
        let this = NonNull::new((functions.make)(seed.max(1))).expect("new does not return null");
        let (inputs, outputs) = (design.side(true).count(), design.side(false).count());
        let mut model = Model { design, this, clocks: 0, inputs, outputs };
        for port in design.ports.iter().filter(|port| port.is_input) {
            model.set(port.name, 0);
        }
        model.eval();
        model
    }

    fn functions(&self) -> &'static Functions {
        // SAFETY: as in `new`.
        unsafe { &*self.design.functions }
    }

    /// The number of the port.
    ///
    /// # Panics
    ///
    /// If the design has no such port: a mistake in the caller.
    pub fn port(&self, name: &str) -> u32 {
        match self.design.ports.iter().position(|port| port.name == name) {
            Some(number) => number as u32,
            None => panic!("{} has no port {name}", self.design.name),
        }
    }

    /// Sets an input; bits beyond its width are dropped. It counts from the next [`Model::eval`] or [`Model::tick`] on.
    pub fn set(&mut self, name: &str, value: u64) -> &mut Model {
        let number = self.port(name);
        let width = self.design.ports[number as usize].width;
        // SAFETY: `this` is the model that `make` of the same table made, and is not shared; the value fits the port.
        unsafe { (self.functions().set)(self.this.as_ptr(), number, value & (u64::MAX >> (64 - width))) };
        self
    }

    /// Reads a port, as of the last evaluation.
    pub fn get(&self, name: &str) -> u64 {
        // SAFETY: as in `set`; reading changes nothing.
        unsafe { (self.functions().get)(self.this.as_ptr(), self.port(name)) }
    }

    /// Reads the port of that number ([`Model::port`]), as of the last evaluation.
    pub fn peek(&self, port: u32) -> u64 {
        // SAFETY: as in `set`; reading changes nothing, and a number of no port reads 0.
        unsafe { (self.functions().get)(self.this.as_ptr(), port) }
    }

    /// Settles the combinational logic.
    pub fn eval(&mut self) -> &mut Model {
        // SAFETY: as in `set`.
        unsafe { (self.functions().eval)(self.this.as_ptr()) };
        self
    }

    /// One clock: a rising edge of `clock` with the inputs as they are, and back.
    pub fn tick(&mut self) -> &mut Model {
        self.set("clock", 0).eval();
        self.set("clock", 1).eval();
        self.set("clock", 0).eval();
        self.clocks += 1;
        self
    }

    /// One clock in one call: sets all inputs (`clock` is left out of account), settles, reads all outputs, and gives the
    /// rising edge. So the outputs are those before the edge, the ones that the edge's handshakes are made of.
    ///
    /// # Panics
    ///
    /// If there are not as many values as ports in that direction.
    pub fn clock(&mut self, inputs: &[u64], outputs: &mut [u64]) {
        assert_eq!((inputs.len(), outputs.len()), (self.inputs, self.outputs), "{}", self.design.name);
        // SAFETY: as in `set`; the function reads and writes a value for each port of that direction.
        unsafe { (self.functions().clock)(self.this.as_ptr(), inputs.as_ptr(), outputs.as_mut_ptr()) };
        self.clocks += 1;
    }

    /// All outputs as of the last evaluation: behind [`Model::clock`], those after its edge, with its inputs.
    ///
    /// # Panics
    ///
    /// If there are not as many values as outputs.
    pub fn outputs(&self, outputs: &mut [u64]) {
        assert_eq!(outputs.len(), self.outputs, "{}", self.design.name);
        let ports = self.design.ports.iter().zip(0..).filter(|(port, _)| !port.is_input);
        for (value, (_, number)) in outputs.iter_mut().zip(ports) {
            // SAFETY: as in `get`.
            *value = unsafe { (self.functions().get)(self.this.as_ptr(), number) };
        }
    }

    /// Writes a waveform (VCD) of what [`Model::clock`] does from now on; a clock takes two units of its time. `false` if the
    /// file cannot be written, or if the crate was built without the feature `trace`.
    pub fn trace(&mut self, path: &Path) -> bool {
        let Ok(path) = CString::new(path.as_os_str().as_bytes()) else { return false };
        // SAFETY: as in `set`; the path is a string that outlives the call.
        unsafe { (self.functions().trace)(self.this.as_ptr(), path.as_ptr()) }
    }

    /// Two clocks with `reset`.
    pub fn reset(&mut self) -> &mut Model {
        self.set("reset", 1).tick().tick();
        self.set("reset", 0).eval()
    }

    /// Clocks so far.
    pub fn clocks(&self) -> u64 {
        self.clocks
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        // SAFETY: made by `make` of the same table, and dropped once.
        unsafe { (self.functions().drop)(self.this.as_ptr()) };
    }
}
