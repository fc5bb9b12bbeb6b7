//! The ports of the device's top, by group, as places in the arrays that [`Model::clock`](crate::Model::clock) takes.
//!
//! Names are looked up once, when a simulation is made.

use crate::Design;
use thiserror::Error;

/// A design that is not the device's top.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{design} has no {direction} {port}; it is no top of the device")]
pub struct PortError {
    /// The design.
    pub design: &'static str,
    /// `input` or `output`.
    pub direction: &'static str,
    /// The port that it lacks.
    pub port: String,
}

/// Place of an input.
#[derive(Clone, Copy, Debug)]
pub(crate) struct In(usize);

/// Place of an output.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Out(usize);

/// What is on the ports: the inputs of the coming clock, the outputs of the last.
#[derive(Debug)]
pub(crate) struct Wires {
    pub(crate) inputs: Vec<u64>,
    pub(crate) outputs: Vec<u64>,
}

impl Wires {
    pub(crate) fn new(design: &Design) -> Wires {
        Wires { inputs: vec![0; design.side(true).count()], outputs: vec![0; design.side(false).count()] }
    }

    pub(crate) fn set(&mut self, port: In, value: impl Into<u64>) {
        self.inputs[port.0] = value.into();
    }

    pub(crate) fn get(&self, port: Out) -> u64 {
        self.outputs[port.0]
    }

    /// What an input was in the last clock.
    pub(crate) fn given(&self, port: In) -> u64 {
        self.inputs[port.0]
    }

    /// An input by name.
    pub(crate) fn input(design: &'static Design, port: &str) -> Result<In, PortError> {
        place(design, true, port.to_owned()).map(In)
    }

    /// An output by name.
    pub(crate) fn output(design: &'static Design, port: &str) -> Result<Out, PortError> {
        place(design, false, port.to_owned()).map(Out)
    }

    pub(crate) fn is(&self, port: Out) -> bool {
        self.outputs[port.0] != 0
    }

    /// Sets an input that is none of the device's own.
    pub(crate) fn tie(&mut self, design: &'static Design, port: &str, value: u64) -> Result<(), PortError> {
        let port = Wires::input(design, port)?;
        self.set(port, value);
        Ok(())
    }

    /// Whether the input was 1 in the last clock.
    pub(crate) fn drove(&self, port: In) -> bool {
        self.inputs[port.0] != 0
    }
}

fn place(design: &'static Design, is_input: bool, port: String) -> Result<usize, PortError> {
    match design.side(is_input).position(|have| have.name == port) {
        Some(place) => Ok(place),
        None => {
            let direction = if is_input { "input" } else { "output" };
            Err(PortError { design: design.name, direction, port })
        }
    }
}

/// Declares a group of ports whose Verilog names are a prefix and the field's name.
macro_rules! group {
    ($(#[$about:meta])* $name:ident { in $($input:ident)*; out $($output:ident)*; }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug)]
        pub(crate) struct $name {
            $(pub(crate) $input: In,)*
            $(pub(crate) $output: Out,)*
        }

        impl $name {
            pub(crate) fn of(design: &'static Design, prefix: &str) -> Result<$name, PortError> {
                Ok($name {
                    $($input: In(place(design, true, format!("{prefix}{}", stringify!($input)))?),)*
                    $($output: Out(place(design, false, format!("{prefix}{}", stringify!($output)))?),)*
                })
            }
        }
    };
}

group! {
    /// What is neither bus.
    Common {
        in reset bus_master;
        out irq;
    }
}

group! {
    /// The AXI4-Lite slave, with the size of each access beside its address.
    LitePorts {
        in awvalid awaddr awsize wvalid wdata wstrb bready arvalid araddr arsize rready;
        out awready wready bvalid bresp arready rvalid rdata rresp;
    }
}

group! {
    /// An AXI4 master.
    MasterPorts {
        in awready wready bid bresp bvalid arready rid rdata rresp rlast rvalid;
        out awid awaddr awlen awsize awburst awvalid wdata wstrb wlast wvalid bready
            arid araddr arlen arsize arburst arvalid rready;
    }
}

group! {
    /// The endpoint's half of what the device reads by.
    HostPorts {
        in arvalid araddr arlen rready;
        out arready rvalid rdata rresp;
    }
}

group! {
    /// The endpoint's streams of packets.
    StreamPorts {
        in rx_valid rx_last rx_data tx_ready;
        out rx_ready tx_valid tx_last tx_data tx_keep;
    }
}

group! {
    /// What the configuration space tells the endpoint, and what is constant of its surroundings.
    LinkPorts {
        in reset big extended fill patience id bus_master msix_enable msix_mask max_payload max_request;
        out;
    }
}
