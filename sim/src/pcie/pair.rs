//! Endpoint and device as two models, clocked together.
//!
//! ```text
//!   endpoint's outputs to AXI ─► device's inputs     settled after the last edge: they come from registers alone
//!   device's outputs ─► endpoint's inputs            settled with those
//! ```
//!
//! It is the same as one design of both if nothing that the endpoint shows the device depends on an input of the same clock. That
//! is checked in each clock.

use crate::ports::{PortError, Wires};
use crate::{Design, Model};

/// A wire from one model to the other.
struct Wire {
    /// Number of the port that drives it, for [`Model::peek`].
    port: u32,
    /// Place among the driver's outputs, and among the inputs of who reads it.
    from: usize,
    to: usize,
    name: &'static str,
}

/// Both.
pub(crate) struct Pair {
    pub(crate) endpoint: Model,
    pub(crate) device: Model,
    pub(crate) endpoint_wires: Wires,
    pub(crate) device_wires: Wires,
    to_device: Vec<Wire>,
    to_endpoint: Vec<Wire>,
}

/// The endpoint's name of a port, for the device's.
fn endpoint_name(device: &str) -> Option<String> {
    if device == "irq" {
        return Some(device.to_owned());
    }
    let (prefix, rest) = [("s_axil_", "m_axil_"), ("m_host_", "s_host_")]
        .into_iter()
        .find_map(|(mine, its)| Some((its, device.strip_prefix(mine)?)))?;
    Some(format!("{prefix}{rest}"))
}

impl Pair {
    pub(crate) fn new(
        endpoint_design: &'static Design,
        device_design: &'static Design,
        seeds: [u32; 2],
    ) -> Result<Pair, PortError> {
        let place = |design: &'static Design, is_input: bool, name: &str| {
            design.side(is_input).position(|port| port.name == name)
        };
        let (endpoint, device) = (Model::new(endpoint_design, seeds[0]), Model::new(device_design, seeds[1]));
        let (mut to_device, mut to_endpoint) = (Vec::new(), Vec::new());
        for port in device_design.ports {
            let Some(name) = endpoint_name(port.name) else { continue };
            let ends = (place(device_design, port.is_input, port.name), place(endpoint_design, !port.is_input, &name));
            match ends {
                (Some(to), Some(from)) if port.is_input => {
                    to_device.push(Wire { port: endpoint.port(&name), from, to, name: port.name });
                }
                (Some(from), Some(to)) => {
                    to_endpoint.push(Wire { port: device.port(port.name), from, to, name: port.name });
                }
                // What the device needs has to be driven; of what it gives, constants such as AxSIZE are of no use to the endpoint.
                (Some(_), None) if port.is_input => {
                    return Err(PortError { design: endpoint_design.name, direction: "output", port: name });
                }
                _ => {}
            }
        }
        let (endpoint_wires, device_wires) = (Wires::new(endpoint_design), Wires::new(device_design));
        Ok(Pair { endpoint, device, endpoint_wires, device_wires, to_device, to_endpoint })
    }

    /// A clock of both.
    pub(crate) fn clock(&mut self) -> Result<(), String> {
        for wire in &self.to_device {
            self.device_wires.inputs[wire.to] = self.endpoint.peek(wire.port);
        }
        self.device.clock(&self.device_wires.inputs, &mut self.device_wires.outputs);
        for wire in &self.to_endpoint {
            self.endpoint_wires.inputs[wire.to] = self.device_wires.outputs[wire.from];
        }
        self.endpoint.clock(&self.endpoint_wires.inputs, &mut self.endpoint_wires.outputs);
        for wire in &self.to_device {
            if self.endpoint_wires.outputs[wire.from] != self.device_wires.inputs[wire.to] {
                return Err(format!("{}: the endpoint answers an input in its own clock", wire.name));
            }
        }
        Ok(())
    }
}
