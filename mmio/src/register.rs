//! What a register is: the types the map is made of, and the macro that declares a block.

use crate::bar::Bar;

/// How software may access a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Read-only; a write counts as a bad access and changes nothing.
    RO,
    /// Read and write.
    RW,
    /// Write-only; reads as 0.
    WO,
    /// Read; writing 1 to a bit clears it.
    W1C,
    /// Read returns the value and clears it.
    RC,
    /// A gap: reads 0, writes are ignored and counted.
    Reserved,
}

/// A field of a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Name, unique in its register.
    pub name: &'static str,
    /// Number of the lowest bit.
    pub lsb: u8,
    /// Width in bits.
    pub width: u8,
    /// Unit of the value, empty if it has none.
    pub unit: &'static str,
    /// What it is for.
    pub purpose: &'static str,
}

impl Field {
    /// The field's bits as a mask in place.
    pub const fn mask(&self) -> u64 {
        (if self.width == 64 { u64::MAX } else { (1 << self.width) - 1 }) << self.lsb
    }

    /// Takes the field out of a register value.
    pub const fn get(&self, value: u64) -> u64 {
        (value & self.mask()) >> self.lsb
    }

    /// Returns `value` with the field replaced; excess bits of `field` are cut off.
    pub const fn set(&self, value: u64, field: u64) -> u64 {
        (value & !self.mask()) | ((field << self.lsb) & self.mask())
    }
}

/// A register, or an array of equal ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Register {
    /// Name, unique in the map.
    pub name: &'static str,
    /// The BAR it lies in.
    pub bar: Bar,
    /// Byte offset of its first instance in the BAR.
    pub offset: u32,
    /// Width in bits: 32 or 64.
    pub width: u8,
    /// Number of consecutive elements, 1 for a plain register.
    pub elements: u32,
    /// Number of instances of the block it belongs to.
    pub instances: u32,
    /// Bytes from one instance of the block to the next.
    pub stride: u32,
    /// How software may access it.
    pub access: Access,
    /// Value after reset.
    pub reset: u64,
    /// Whether the value depends on time or on the implementation, so that two correct devices
    /// may differ in it.
    pub volatile: bool,
    /// Unit of the value, empty if it has none or its fields say.
    pub unit: &'static str,
    /// What it is for.
    pub purpose: &'static str,
    /// Its fields; empty if the register is one value.
    pub fields: &'static [Field],
}

impl Register {
    /// Byte offset of element 0 in instance `instance` of the block.
    pub const fn at(&self, instance: u32) -> u32 {
        assert!(instance < self.instances, "no such instance of this register block");
        self.offset + instance * self.stride
    }

    /// Byte offset of element `element` of an array register in instance 0.
    pub const fn element(&self, element: u32) -> u32 {
        assert!(element < self.elements, "no such element of this array register");
        self.offset + element * self.bytes()
    }

    /// Size of one element in bytes.
    pub const fn bytes(&self) -> u32 {
        self.width as u32 / 8
    }

    /// The field called `name`.
    pub fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|f| f.name.eq_ignore_ascii_case(name))
    }

    /// The bits that a write may set: all of them, or those covered by fields if there are any.
    pub const fn writable(&self) -> u64 {
        match self.access {
            Access::RW | Access::WO | Access::W1C => {}
            Access::RO | Access::RC | Access::Reserved => return 0,
        }
        if self.fields.is_empty() {
            return if self.width == 64 { u64::MAX } else { u32::MAX as u64 };
        }
        let (mut mask, mut i) = (0, 0);
        while i < self.fields.len() {
            mask |= self.fields[i].mask();
            i += 1;
        }
        mask
    }
}

/// A register block: one file of the map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Name, also the file's.
    pub name: &'static str,
    /// The BAR it lies in.
    pub bar: Bar,
    /// Byte offset of instance 0.
    pub base: u32,
    /// Number of instances.
    pub instances: u32,
    /// Bytes from one instance to the next.
    pub stride: u32,
    /// What it is for.
    pub purpose: &'static str,
    /// Its registers in address order, gaps included.
    pub registers: &'static [Register],
}

/// The `volatile-register` cell for an access kind.
macro_rules! cell {
    (RO $t:ty) => { volatile_register::RO<$t> };
    (RW $t:ty) => { volatile_register::RW<$t> };
    (WO $t:ty) => { volatile_register::WO<$t> };
    (W1C $t:ty) => { volatile_register::RW<$t> };
    (RC $t:ty) => { volatile_register::RO<$t> };
    (Reserved $t:ty) => { volatile_register::RO<$t> };
}

/// Words of one element: 64-bit registers are a lo/hi pair of cells.
macro_rules! cell_words {
    (u32) => {
        1
    };
    (u64) => {
        2
    };
}

/// `true` if the word `volatile` was given.
macro_rules! is_volatile {
    () => {
        false
    };
    (volatile) => {
        true
    };
}

/// Declares one register block: a module of [`Register`] constants (with a module of [`Field`]
/// constants of the same name beside each), the table `BLOCK`, and `Regs`, the block as
/// `volatile-register` cells for use on a mapped BAR.
///
/// A line reads `offset NAME[elements]: width access = reset, "unit" volatile? { fields };` and a
/// field `NAME[lsb + width] "unit";`. Lines must be in address order without holes: a gap is
/// written as a `Reserved` line. The compiler checks each offset against `Regs`.
macro_rules! block {
    (
        $(#[doc = $bdoc:literal])+
        $block:ident in $bar:ident @ $base:literal, $instances:literal x $stride:literal;
        $(
            $(#[doc = $doc:literal])+
            $off:literal $name:ident $([$elements:literal])? : $width:ident $access:ident = $reset:expr,
            $unit:literal $($volatile:ident)?
            $({ $(
                $(#[doc = $fdoc:literal])+
                $field:ident [$lsb:literal + $bits:literal] $funit:literal;
            )* })?;
        )*
    ) => {
        $(
            #[doc = concat!($($doc),+)]
            pub const $name: $crate::Register = $crate::Register {
                name: stringify!($name),
                bar: $crate::Bar::$bar,
                offset: $base + $off,
                width: 32 * $crate::register::cell_words!($width),
                elements: [1 $(, $elements)?][[0 $(, { let _ = $elements; 1 })?].len() - 1],
                instances: $instances,
                stride: $stride,
                access: $crate::Access::$access,
                reset: $reset,
                volatile: $crate::register::is_volatile!($($volatile)?),
                unit: $unit,
                purpose: concat!($($doc),+).trim_ascii_start(),
                fields: &[$($($name::$field),*)?],
            };

            #[doc = concat!("Fields of [`struct@Regs`]`::", stringify!($name), "`.")]
            #[allow(non_snake_case)]
            pub mod $name {
                $($(
                    #[doc = concat!($($fdoc),+)]
                    pub const $field: $crate::Field = $crate::Field {
                        name: stringify!($field),
                        lsb: $lsb,
                        width: $bits,
                        unit: $funit,
                        purpose: concat!($($fdoc),+).trim_ascii_start(),
                    };
                )*)?
            }
        )*

        #[doc = concat!("The block `", stringify!($block), "`:", $($bdoc),+)]
        pub const BLOCK: $crate::Block = $crate::Block {
            name: stringify!($block),
            bar: $crate::Bar::$bar,
            base: $base,
            instances: $instances,
            stride: $stride,
            purpose: concat!($($bdoc),+).trim_ascii_start(),
            registers: &[$($name),*],
        };

        /// The block as volatile cells, to be laid over a mapped BAR at `BLOCK.base`.
        #[allow(non_snake_case)]
        #[repr(C)]
        pub struct Regs {
            $(
                #[doc = concat!($($doc),+)]
                pub $name: [$crate::register::cell!($access u32);
                    $crate::register::cell_words!($width) $(* $elements)?],
            )*
        }

        const _: () = {
            $(
                assert!(
                    core::mem::offset_of!(Regs, $name) == $off,
                    concat!(stringify!($name), ": hole or overlap before this register")
                );
                assert!($off % (4 * $crate::register::cell_words!($width)) == 0, "unaligned register");
            )*
            assert!(core::mem::size_of::<Regs>() <= $stride, "block is longer than its stride");
        };
    };
}

pub(crate) use {block, cell, cell_words, is_volatile};
