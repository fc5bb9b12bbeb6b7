//! A device server and a guest that has its device, and what the guest's console says.

use super::image::Image;
use super::packages::Prefix;
use anyhow::{Context, Result, bail};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// Until a server listens.
const LISTENS: Duration = Duration::from_secs(30);

/// A process that does not outlive this value.
struct Owned(Child);

impl Drop for Owned {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `kvctl serve`.
pub(super) struct DeviceServer {
    process: Owned,
    device: String,
    socket: PathBuf,
}

impl DeviceServer {
    /// Serves a device of this kind; what it says goes to `log`.
    pub(super) fn start(kvctl: &Path, device: &str, folder: &Path) -> Result<DeviceServer> {
        let socket = folder.join(format!("{device}.sock"));
        if socket.exists() {
            // Of a run that was killed.
            std::fs::remove_file(&socket)?;
        }
        let log = std::fs::File::create(folder.join(format!("{device}-server.log")))?;
        // A simulation of more entries takes minutes for what is tested entry by entry.
        let geometry = if device == "rtl" { "small" } else { "test" };
        let mut command = Command::new(kvctl);
        command
            .args(["-v", "--device", device, "--geometry", geometry, "serve", "--socket"])
            .arg(&socket);
        let process = Owned(command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn()?);
        let mut server = DeviceServer { process, device: device.to_owned(), socket };
        let end = Instant::now() + LISTENS;
        while !server.socket.exists() {
            if let Some(status) = server.process.0.try_wait()? {
                bail!("kvctl serve --device {device} ended: {status}; its log is in {}", folder.display());
            }
            if Instant::now() > end {
                bail!("kvctl serve --device {device} does not listen at {}", server.socket.display());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(server)
    }

    /// Kills it, as a device that is pulled out.
    pub(super) fn kill(self) {}
}

/// The guest.
pub(super) struct Guest {
    process: Owned,
    lines: Receiver<String>,
}

impl Guest {
    /// Boots it with the server's device behind a virtual IOMMU.
    pub(super) fn boot(prefix: &Prefix, image: &Image, server: &DeviceServer, log: PathBuf) -> Result<Guest> {
        let socket = server.socket.to_string_lossy();
        let device =
            format!(r#"{{"driver":"vfio-user-pci","socket":{{"path":"{socket}","type":"unix"}},"addr":"05.0"}}"#);
        let mut qemu = prefix.qemu();
        // TCG: KVM may not be there, and what is tested is not speed. The device reaches the guest's memory, so that is shared.
        qemu.args(["-accel", "tcg,thread=multi", "-cpu", "max", "-machine", "q35,kernel-irqchip=split", "-smp", "1"])
            .args(["-m", "512M", "-object", "memory-backend-memfd,id=m0,size=512M,share=on"])
            .args(["-machine", "memory-backend=m0", "-device", "intel-iommu,intremap=on,caching-mode=on"])
            .args(["-device", &device, "-nodefaults", "-display", "none", "-serial", "stdio", "-no-reboot"])
            .arg("-kernel")
            .arg(&image.kernel)
            .arg("-initrd")
            .arg(&image.disk)
            .args(["-append", &format!("console=ttyS0 panic=-1 quiet intel_iommu=on kvcpu={}", server.device)]);
        let errors = std::fs::File::create(log.with_extension("qemu.log"))?;
        let mut child = qemu
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(errors)
            .spawn()
            .context("cannot start QEMU")?;
        let console = child.stdout.take().context("QEMU has a console")?;
        let (send, lines) = channel();
        let mut copy = std::fs::File::create(&log)?;
        std::thread::spawn(move || {
            let mut console = BufReader::new(console);
            let mut line = Vec::new();
            while console.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                // The log is for people; a full disk is told by others.
                let _ = std::io::Write::write_all(&mut copy, &line);
                line.clear();
                if send.send(text).is_err() {
                    return;
                }
            }
        });
        Ok(Guest { process: Owned(child), lines })
    }

    /// How QEMU ended; it has closed the console.
    pub(super) fn status(&mut self) -> Result<ExitStatus> {
        Ok(self.process.0.wait()?)
    }

    /// The next line of the console; `None` when the guest has ended.
    pub(super) fn line(&mut self, deadline: Instant) -> Result<Option<String>> {
        match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => Ok(Some(line)),
            Err(RecvTimeoutError::Disconnected) => Ok(None),
            Err(RecvTimeoutError::Timeout) => bail!("the guest said nothing more until the time was up"),
        }
    }
}
