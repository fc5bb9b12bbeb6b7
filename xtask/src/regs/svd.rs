//! The CMSIS-SVD description, for debuggers and register viewers.
//!
//! A block is a peripheral; instances of a block are an array of clusters, elements of a register
//! an array of registers. SVD knows one address space, so BAR `n` begins at `n << 28`. What SVD
//! cannot say (units, volatile) stands in the descriptions.

use super::MADE_BY;
use anyhow::{Context, Result};
use kvcpu_mmio::map::BLOCKS;
use kvcpu_mmio::regs::control::{MAP_MAJOR, MAP_MINOR};
use kvcpu_mmio::{Access, Bar, Block, Field, Register};
use svd_rs::addressblock::AddressBlockUsage;
use svd_rs::{
    AddressBlock, BitRange, ClusterInfo, Device, DimElement, FieldInfo, ModifiedWriteValues, Peripheral,
    PeripheralInfo, ReadAction, RegisterCluster, RegisterInfo, RegisterProperties, ValidateLevel,
};

const STRICT: ValidateLevel = ValidateLevel::Strict;

/// Where a BAR begins in the description's address space.
fn bar_base(bar: Bar) -> u64 {
    u64::from(bar.index()) << 28
}

/// The whole file.
pub(super) fn document() -> Result<String> {
    let device = device().context("the map does not make a valid SVD")?;
    let xml = svd_encoder::encode(&device).context("cannot encode the SVD")?;
    let (declaration, rest) = xml.split_once('\n').context("the SVD has no first line")?;
    Ok(format!("{declaration}\n<!-- {MADE_BY} -->\n{}\n", rest.trim_end()))
}

fn device() -> Result<Device> {
    let properties = RegisterProperties::new()
        .size(Some(32))
        .reset_value(Some(0))
        .reset_mask(Some(0xFFFF_FFFF));
    let device = Device::builder()
        .vendor(Some("KV-CPU".into()))
        .vendor_id(Some("KVCPU".into()))
        .name("KVCPU".into())
        .version(format!("{MAP_MAJOR}.{MAP_MINOR}"))
        .description(format!("KV-CPU register map. BAR n begins at n * 0x10000000. {MADE_BY}"))
        .address_unit_bits(8)
        .width(32)
        .schema_version("1.3".into())
        .no_namespace_schema_location("CMSIS-SVD_Schema_1_3.xsd".into())
        .default_register_properties(properties)
        .peripherals(BLOCKS.iter().map(peripheral).collect::<Result<_>>()?)
        .build(STRICT)?;
    device.validate_all(STRICT)?;
    Ok(device)
}

fn peripheral(block: &Block) -> Result<Peripheral> {
    let registers: Vec<RegisterCluster> = block
        .registers
        .iter()
        .filter(|r| r.access != Access::Reserved)
        .map(|r| register(block, r))
        .collect::<Result<_>>()?;
    let children = if block.instances == 1 {
        registers
    } else {
        let cluster = ClusterInfo::builder()
            .name(format!("{}[%s]", block.name.to_uppercase()))
            .description(Some(block.purpose.into()))
            .address_offset(0)
            .children(registers)
            .build(STRICT)?;
        vec![RegisterCluster::Cluster(cluster.array(array(block.instances, block.stride)?))]
    };
    let addresses = AddressBlock::builder()
        .offset(0)
        .size(block.instances * block.stride)
        .usage(AddressBlockUsage::Registers)
        .build(STRICT)?;
    let peripheral = PeripheralInfo::builder()
        .name(format!("KVCPU_{}", block.name.to_uppercase()))
        .description(Some(block.purpose.into()))
        .group_name(Some(format!("BAR{}", block.bar.index())))
        .base_address(bar_base(block.bar) + u64::from(block.base))
        .address_block(Some(vec![addresses]))
        .registers(Some(children))
        .build(STRICT)?;
    Ok(peripheral.single())
}

fn array(dim: u32, increment: u32) -> Result<DimElement> {
    Ok(DimElement::builder().dim(dim).dim_increment(increment).build(STRICT)?)
}

fn register(block: &Block, r: &Register) -> Result<RegisterCluster> {
    let (access, written, read) = match r.access {
        Access::RO | Access::Reserved => (svd_rs::Access::ReadOnly, None, None),
        Access::RW => (svd_rs::Access::ReadWrite, None, None),
        Access::WO => (svd_rs::Access::WriteOnly, None, None),
        Access::W1C => (svd_rs::Access::ReadWrite, Some(ModifiedWriteValues::OneToClear), None),
        Access::RC => (svd_rs::Access::ReadOnly, None, Some(ReadAction::Clear)),
    };
    // The reset value of a volatile register is not to be relied on.
    let mask = match (r.volatile, r.width) {
        (true, _) => 0,
        (false, 64) => u64::MAX,
        (false, _) => u64::from(u32::MAX),
    };
    let properties = RegisterProperties::new()
        .size(Some(r.width.into()))
        .access(Some(access))
        .reset_value(Some(if r.volatile { 0 } else { r.reset }))
        .reset_mask(Some(mask));
    let fields: Vec<_> = r.fields.iter().map(field).collect::<Result<_>>()?;
    let volatile = if r.volatile { " Volatile." } else { "" };
    let info = RegisterInfo::builder()
        .name(if r.elements > 1 { format!("{}[%s]", r.name) } else { r.name.into() })
        .description(Some(format!("{}{volatile}", with_unit(r.purpose, r.unit))))
        .address_offset(r.offset - block.base)
        .properties(properties)
        .modified_write_values(written)
        .read_action(read)
        .fields((!fields.is_empty()).then_some(fields))
        .build(STRICT)?;
    Ok(RegisterCluster::Register(if r.elements > 1 {
        info.array(array(r.elements, r.bytes())?)
    } else {
        info.single()
    }))
}

fn field(f: &Field) -> Result<svd_rs::Field> {
    let range = BitRange::from_offset_width(f.lsb.into(), f.width.into());
    let info = FieldInfo::builder()
        .name(f.name.into())
        .description(Some(with_unit(f.purpose, f.unit)))
        .bit_range(range);
    Ok(info.build(STRICT)?.single())
}

fn with_unit(purpose: &str, unit: &str) -> String {
    if unit.is_empty() { purpose.into() } else { format!("{purpose} Unit: {unit}.") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kvcpu_mmio::map::{by_offset, registers};

    use svd_parser::svd::{MaybeArray, RegisterInfo as Parsed};

    /// The first and the last member of an array, as byte distances from the first.
    fn ends<T>(item: &MaybeArray<T>) -> Vec<u64> {
        match item {
            MaybeArray::Single(_) => vec![0],
            MaybeArray::Array(_, d) => vec![0, u64::from((d.dim - 1) * d.dim_increment)],
        }
    }

    /// The parsed file's registers with their addresses, first and last of each array.
    fn found(device: &svd_parser::svd::Device) -> Vec<(u64, &Parsed)> {
        use svd_parser::svd::RegisterCluster::{Cluster, Register};
        let mut all = Vec::new();
        for peripheral in &device.peripherals {
            for child in peripheral.registers.iter().flatten() {
                let (instances, registers): (_, Vec<&svd_parser::svd::Register>) = match child {
                    Register(r) => (vec![0], vec![r]),
                    Cluster(c) => (ends(c), c.registers().collect()),
                };
                for (instance, r) in instances.iter().flat_map(|i| registers.iter().map(move |r| (i, *r))) {
                    let address = peripheral.base_address + instance + u64::from(r.address_offset);
                    all.extend(ends(r).into_iter().map(|element| (address + element, &**r)));
                }
            }
        }
        all
    }

    #[test]
    fn the_file_parses_and_agrees_with_the_map() {
        let xml = document().unwrap();
        let config = svd_parser::Config::default().validate_level(svd_parser::ValidateLevel::Strict);
        let device = svd_parser::parse_with_config(&xml, &config).unwrap();
        let found = found(&device);
        for (address, parsed) in &found {
            let bar = [Bar::Regs, Bar::Rtbd, Bar::Msix]
                .into_iter()
                .find(|b| bar_base(*b) == address & !0xFFF_FFFF);
            let place = by_offset(bar.unwrap(), *address as u32 & 0xFFF_FFFF).expect("a register lies there");
            let r = place.register;
            assert_eq!(parsed.name.trim_end_matches("[%s]"), r.name);
            assert_eq!(parsed.properties.size, Some(r.width.into()), "{}", r.name);
            if !r.volatile {
                assert_eq!(parsed.properties.reset_value, Some(r.reset), "{}", r.name);
            }
            let fields: Vec<_> = parsed.fields().map(|f| (f.name.as_str(), f.lsb(), f.bit_width())).collect();
            let expected: Vec<_> = r.fields.iter().map(|f| (f.name, u32::from(f.lsb), u32::from(f.width))).collect();
            assert_eq!(fields, expected, "{}", r.name);
        }
        for r in registers() {
            for (instance, element) in [(0, 0), (r.instances - 1, r.elements - 1)] {
                let address = bar_base(r.bar) + u64::from(r.at(instance) + r.element(element) - r.offset);
                assert!(found.iter().any(|(at, _)| *at == address), "{} at {address:#x} is not in the SVD", r.name);
            }
        }
    }

    #[test]
    fn accesses_are_told_apart() {
        let device = device().unwrap();
        let find = |name: &str| {
            let all = device.peripherals.iter().flat_map(|p| p.all_registers());
            all.filter(|r| r.name == name)
                .map(|r| (r.properties.access, r.modified_write_values, r.read_action))
                .next()
        };
        assert_eq!(find("MAGIC"), Some((Some(svd_rs::Access::ReadOnly), None, None)));
        assert_eq!(find("CMD_GO"), Some((Some(svd_rs::Access::WriteOnly), None, None)));
        let w1c = Some(ModifiedWriteValues::OneToClear);
        assert_eq!(find("ERR_STATUS"), Some((Some(svd_rs::Access::ReadWrite), w1c, None)));
        assert_eq!(find("BAD_ACCESS_COUNT"), Some((Some(svd_rs::Access::ReadOnly), None, Some(ReadAction::Clear))));
    }
}
