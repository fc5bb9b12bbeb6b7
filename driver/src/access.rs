//! Registers by name: one access each, traced, with the check whether the device still answers.
//!
//! A value of all ones is what a PCIe root port answers for a device that is not there. It may also
//! be a register's honest value, so MAGIC decides.

use kvcpu_mmio::regs::control;
use kvcpu_mmio::{Access, Backing, Field, Register};

use crate::{Device, DriverError};

/// Byte offset of a place in its BAR, or why there is no such place.
fn offset(register: &Register, instance: u32, element: u32) -> Result<u32, DriverError> {
    let problem = if instance >= register.instances {
        "no such instance of its block"
    } else if element >= register.elements {
        "no such element of the array"
    } else {
        return Ok(register.at(instance) + (register.element(element) - register.offset));
    };
    Err(DriverError::Register { register: register.name, problem })
}

impl<B: Backing + ?Sized + 'static> Device<B> {
    /// Reads a register.
    pub fn read(&self, register: &Register) -> Result<u64, DriverError> {
        self.read_at(register, 0, 0)
    }

    /// Reads element `element` of a register in instance `instance` of its block, 64-bit ones in one
    /// access.
    pub fn read_at(&self, register: &Register, instance: u32, element: u32) -> Result<u64, DriverError> {
        let at = offset(register, instance, element)?;
        let (value, ones) = match register.width {
            64 => (self.backing().read64(register.bar, at)?, u64::MAX),
            _ => (u64::from(self.backing().read32(register.bar, at)?), u64::from(u32::MAX)),
        };
        tracing::trace!(target: "kvcpu::register", register = register.name, instance, element, value, "read");
        if value == ones {
            self.check_alive()?;
        }
        Ok(value)
    }

    /// Writes a register.
    pub fn write(&self, register: &Register, value: u64) -> Result<(), DriverError> {
        self.write_at(register, 0, 0, value)
    }

    /// Writes element `element` of a register in instance `instance` of its block, 64-bit ones in one
    /// access. Whether the register is writable is left to the device, which counts bad accesses.
    pub fn write_at(&self, register: &Register, instance: u32, element: u32, value: u64) -> Result<(), DriverError> {
        let at = offset(register, instance, element)?;
        tracing::trace!(target: "kvcpu::register", register = register.name, instance, element, value, "write");
        if register.width == 64 {
            return Ok(self.backing().write64(register.bar, at, value)?);
        }
        let value = u32::try_from(value).map_err(|_| DriverError::Register {
            register: register.name,
            problem: "the value does not fit into its 32 bits",
        })?;
        Ok(self.backing().write32(register.bar, at, value)?)
    }

    /// Reads one field.
    pub fn read_field(&self, register: &Register, field: &Field) -> Result<u64, DriverError> {
        Ok(field.get(self.read(register)?))
    }

    /// Replaces fields of a register, leaving its others as they read. In a write-1-to-clear or
    /// write-only register the others are written as 0, which leaves them alone there.
    ///
    /// It is two accesses: another thread must not write the register at the same time.
    pub fn modify(&self, register: &Register, fields: &[(&Field, u64)]) -> Result<(), DriverError> {
        self.modify_at(register, 0, 0, fields)
    }

    /// [`modify`](Device::modify) at an instance and element.
    pub fn modify_at(
        &self,
        register: &Register,
        instance: u32,
        element: u32,
        fields: &[(&Field, u64)],
    ) -> Result<(), DriverError> {
        let mut value = match register.access {
            Access::W1C | Access::WO => 0,
            _ => self.read_at(register, instance, element)?,
        };
        for (field, new) in fields {
            if field.set(0, *new) >> field.lsb != *new {
                return Err(DriverError::Register {
                    register: register.name,
                    problem: "the value does not fit into the field",
                });
            }
            value = field.set(value, *new);
        }
        self.write_at(register, instance, element, value)
    }

    /// `Gone` if MAGIC reads all ones.
    pub fn check_alive(&self) -> Result<(), DriverError> {
        let magic = self.backing().read32(control::MAGIC.bar, control::MAGIC.offset)?;
        if magic == u32::MAX {
            return Err(DriverError::Gone { name: self.backing().name(), why: "MAGIC reads all ones".into() });
        }
        Ok(())
    }
}
