//! `cargo xtask firmware`: the firmware for the management core, built into `firmware/image/kvcpu-fw.elf`, or compared with it.
//!
//! The core's target has no standard library in rustup's offering here, so Debian's compiler builds it, with the library source of the
//! same version (packages `rustc-web`, `rust-web-src`); rustup's toolchain links. Neither debug info nor a path of this machine gets into
//! the binary, so that the same sources and tools give the same bytes everywhere.

mod image;
pub(crate) mod managed;

use crate::ci::apt_install;
use crate::process::{cargo, run_until, works};
use crate::workspace;
use anyhow::{Context, Result, bail, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// The binary, checked in.
const IMAGE: &str = "firmware/image/kvcpu-fw.elf";
/// Debian's compiler; rustup's is another one, in front of it on PATH.
const RUSTC: &str = "/usr/bin/rustc";
/// Its packages.
const PACKAGES: [&str; 2] = ["rustc-web", "rust-web-src"];
/// What the core is like.
const TARGET: &str = "riscv32im-unknown-none-elf";
/// For packages and compiling, which take two minutes at the most.
const TIME: Duration = Duration::from_secs(15 * 60);

/// The verb.
pub(crate) fn run(check: bool) -> Result<()> {
    let deadline = Instant::now() + TIME;
    let root = workspace::root()?;
    find_compiler(deadline)?;
    let mut elf = build(&root, check, deadline)?;
    let bytes = image::finish(&mut elf, version(&root)?).context("the binary that was built is no image")?;
    show(&elf, bytes)?;
    let path = root.join(IMAGE);
    if check {
        return compare(&path, &elf);
    }
    std::fs::create_dir_all(path.parent().context("no folder")?)?;
    std::fs::write(&path, &elf).with_context(|| format!("cannot write {}", path.display()))?;
    println!("{IMAGE}: written");
    Ok(())
}

/// Compares what is checked in with what was built.
fn compare(path: &Path, built: &[u8]) -> Result<()> {
    let remedy = "remedy: cargo xtask firmware, and commit the result";
    let old = std::fs::read(path).with_context(|| format!("cannot read {}; {remedy}", path.display()))?;
    if old == built {
        println!("firmware: {IMAGE} is up to date");
        return Ok(());
    }
    let (then, now) = (image::tools(&old)?, image::tools(built)?);
    ensure!(then != now, "{IMAGE} is not what firmware/ gives\n{remedy}");
    println!("firmware: NOT COMPARED: {IMAGE} was made by {then}; here is {now}");
    Ok(())
}

/// Sees to it that Debian's compiler is there, with the library's source.
fn find_compiler(deadline: Instant) -> Result<()> {
    if !is_compiler_there() {
        apt_install(&PACKAGES, deadline)?;
    }
    let remedy = format!("install {} of Debian's security archive", PACKAGES.join(" and "));
    ensure!(is_compiler_there(), "{RUSTC} is missing, older than {}, or without its source; {remedy}", oldest());
    Ok(())
}

/// The oldest compiler that the workspace may be built with.
fn oldest() -> &'static str {
    env!("CARGO_PKG_RUST_VERSION")
}

fn is_compiler_there() -> bool {
    // rustc 1.96.0 (...)
    let minor = |version: &str| version.split('.').nth(1).and_then(|minor| minor.parse::<u32>().ok());
    let found = said(Command::new(RUSTC).arg("--version")).ok().and_then(|version| minor(&version));
    let source = said(Command::new(RUSTC).args(["--print", "sysroot"]))
        .is_ok_and(|sysroot| Path::new(&sysroot).join("lib/rustlib/src/rust/library/core").exists());
    found >= minor(oldest()) && source
}

/// What a program says on its standard output.
fn said(command: &mut Command) -> Result<String> {
    let output = command
        .output()
        .with_context(|| format!("cannot start {}", command.get_program().display()))?;
    ensure!(output.status.success(), "{command:?} failed: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// The linker that comes with rustup's toolchain.
fn linker() -> Result<PathBuf> {
    let libraries = said(Command::new("rustc").args(["--print", "target-libdir"]))?;
    let linker = Path::new(&libraries).with_file_name("bin").join("rust-lld");
    ensure!(works(Command::new(&linker).args(["-flavor", "gnu", "--version"])), "{} does not run", linker.display());
    Ok(linker)
}

/// Builds the binary; gives the file.
fn build(root: &Path, locked: bool, deadline: Instant) -> Result<Vec<u8>> {
    let folder = root.join("target/firmware");
    let home = std::env::var_os("CARGO_HOME")
        .map_or_else(|| std::env::home_dir().map(|home| home.join(".cargo")), |home| Some(home.into()))
        .context("neither CARGO_HOME nor a home directory")?;
    let flags = [
        "-Clink-arg=-Tlink.x".to_owned(),
        // A panic is an illegal instruction, which stops the core: a quarter less code than a handler, which could do no more.
        "-Zunstable-options".to_owned(),
        "-Cpanic=immediate-abort".to_owned(),
        // Inlined, a register of the map is its offset; outlined, it comes with its description, 3 KiB of text in all.
        "-Cllvm-args=-inline-threshold=50".to_owned(),
        format!("-Clinker={}", linker()?.display()),
        format!("--remap-path-prefix={}=/kvcpu", root.display()),
        format!("--remap-path-prefix={}=/cargo", home.display()),
    ];
    let mut command = cargo();
    command
        .current_dir(root.join("firmware/core"))
        .args(["build", "--release", "-Zbuild-std=core"])
        .args(["-Zbuild-std-features=compiler-builtins-mem", "--target", TARGET, "--target-dir"])
        .arg(&folder)
        .env("RUSTC", RUSTC)
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"))
        .env_remove("RUSTC_WRAPPER")
        .env_remove("RUSTC_WORKSPACE_WRAPPER");
    if locked {
        command.arg("--locked");
    }
    run_until(&mut command, deadline)?;
    let path = folder.join(TARGET).join("release/kvcpu-firmware-core");
    std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
}

/// The firmware's version as in FW_VERSION.
fn version(root: &Path) -> Result<u32> {
    let metadata = workspace::metadata(root)?;
    let packages = metadata.workspace_packages();
    let Some(firmware) = packages.iter().find(|package| package.name.as_str() == "kvcpu-firmware") else {
        bail!("the workspace has no kvcpu-firmware");
    };
    let version = &firmware.version;
    let byte = |number| u8::try_from(number).context("a version's numbers go to 255");
    Ok(u32::from_be_bytes([0, byte(version.major)?, byte(version.minor)?, byte(version.patch)?]))
}

/// Prints the sizes.
fn show(elf: &[u8], image: usize) -> Result<()> {
    println!("| section | bytes |\n|---|---|");
    for name in ["text", "rodata", "data", "bss"] {
        println!("| {name} | {} |", image::section(elf, &format!(".{name}"))?);
    }
    println!("| stack | {} |\n| image, header included, of {} | {image} |", image::stack(elf)?, image::BANK_BYTES);
    Ok(())
}
