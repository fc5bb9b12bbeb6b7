//! What the server says of itself and of the device; nothing here reaches it.

use kvcpu_driver::vfio_user::wire;
use kvcpu_mmio::geometry::VECTORS;
use kvcpu_mmio::map::{BAR0_BYTES, BAR2_BYTES};
use kvcpu_mmio::regs::msix::BAR4_BYTES;
use rustix::io::Errno;

use super::exact;
use crate::config_space;

/// Bytes of a region, by its index: BAR0, BAR2, BAR4 and configuration space; others have none.
pub(super) fn region_bytes(index: u32) -> u64 {
    match index {
        0 => BAR0_BYTES.into(),
        2 => BAR2_BYTES.into(),
        4 => BAR4_BYTES.into(),
        wire::CONFIG_REGION => config_space::BYTES as u64,
        _ => 0,
    }
}

/// The reply to VERSION: accesses have so many bytes of data at most.
pub(super) fn version(body: &[u8], max_data: usize) -> Result<Vec<u8>, Errno> {
    let (version, capabilities) = wire::Version::split(body).ok_or(Errno::INVAL)?;
    if version.major != wire::VERSION.major {
        return Err(Errno::NOTSUP);
    }
    // What the client can is no matter here, but it must be JSON that ends with a 0, if there is any.
    let understood = match capabilities.split_last() {
        None => true,
        Some((0, json)) => serde_json::from_slice::<serde_json::Value>(json).is_ok(),
        Some(_) => false,
    };
    if !understood {
        return Err(Errno::INVAL);
    }
    let minor = version.minor.min(wire::VERSION.minor);
    let mut reply = wire::Version { minor, ..wire::VERSION }.bytes();
    let ours = serde_json::json!({
        "capabilities": { "max_msg_fds": wire::MAX_FDS, "max_data_xfer_size": max_data },
    });
    reply.extend_from_slice(ours.to_string().as_bytes());
    reply.push(0);
    Ok(reply)
}

/// The reply to DEVICE_GET_INFO.
pub(super) fn device_info(body: &[u8]) -> Result<Vec<u8>, Errno> {
    exact(wire::DeviceInfo::split(body))?;
    let flags = wire::DEVICE_RESETS | wire::DEVICE_IS_PCI;
    let argsz = wire::DeviceInfo::BYTES as u32;
    Ok(wire::DeviceInfo { argsz, flags, regions: wire::REGIONS, irqs: wire::IRQS }.bytes())
}

/// The reply to DEVICE_GET_REGION_INFO.
pub(super) fn region_info(body: &[u8]) -> Result<Vec<u8>, Errno> {
    let (asked, _) = wire::RegionInfo::split(body).ok_or(Errno::INVAL)?;
    if asked.index >= wire::REGIONS {
        return Err(Errno::INVAL);
    }
    let size = region_bytes(asked.index);
    let flags = if size == 0 { 0 } else { wire::REGION_READS | wire::REGION_WRITES };
    let argsz = wire::RegionInfo::BYTES as u32;
    Ok(wire::RegionInfo { argsz, flags, index: asked.index, size, ..wire::RegionInfo::default() }.bytes())
}

/// The reply to DEVICE_GET_IRQ_INFO.
pub(super) fn irq_info(body: &[u8]) -> Result<Vec<u8>, Errno> {
    let asked = exact(wire::IrqInfo::split(body))?;
    if asked.index >= wire::IRQS {
        return Err(Errno::INVAL);
    }
    let (flags, count) = match asked.index {
        wire::MSIX_IRQ => (wire::IRQ_EVENTFD, VECTORS.into()),
        _ => (0, 0),
    };
    Ok(wire::IrqInfo { argsz: wire::IrqInfo::BYTES as u32, flags, index: asked.index, count }.bytes())
}
