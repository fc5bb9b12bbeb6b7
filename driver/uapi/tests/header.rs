//! The C header and the Rust description are one interface, and the guest's test program compiles with it.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::fmt::Write;
use std::path::Path;
use std::process::Command;

use kvcpu_mmio::uapi::{IOCTLS, STRUCTURES};

/// Compiles a C file as programs do, with all warnings errors.
fn compile(source: &Path, program: &Path) {
    let include = concat!(env!("CARGO_MANIFEST_DIR"), "/include");
    let flags = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-static", "-I", include, "-o"];
    let output = Command::new("cc").args(flags).arg(program).arg(source).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn c_has_the_codes_sizes_and_offsets_that_rust_has() {
    let folder = tempfile::tempdir().unwrap();
    let (source, program) = (folder.path().join("numbers.c"), folder.path().join("numbers"));
    let mut text =
        "#include <stddef.h>\n#include <stdio.h>\n#include \"kvcpu_uapi.h\"\nint main(void)\n{\n".to_string();
    let mut expected = String::new();
    for ioctl in &IOCTLS {
        let _ = writeln!(text, "printf(\"{0} %u\\n\", (unsigned){0});", ioctl.name);
        let _ = writeln!(expected, "{} {}", ioctl.name, ioctl.code());
    }
    for structure in &STRUCTURES {
        let name = structure.name;
        let _ = writeln!(text, "printf(\"{name} %u\\n\", (unsigned)sizeof(struct {name}));");
        let _ = writeln!(expected, "{name} {}", structure.bytes);
        let mut at = 0;
        for member in structure.members {
            let _ = writeln!(text, "printf(\"{0} %u\\n\", (unsigned)offsetof(struct {name}, {0}));", member.name);
            let _ = writeln!(expected, "{} {at}", member.name);
            at += member.kind.bytes();
        }
    }
    text += "return 0;\n}\n";
    std::fs::write(&source, text).unwrap();
    compile(&source, &program);
    let output = Command::new(&program).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
}

#[test]
fn the_guests_program_compiles_without_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/guest/uapi.c");
    compile(&source, &folder.path().join("uapi"));
}
