//! Getting hold of the file: lock, O_DIRECT or not, reserved space, the file header.

use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{FallocateFlags, FlockOperation, OFlags};
use rustix::io::Errno;

use crate::error::errno;
use crate::page::{Page, pages};
use crate::{FileHeader, HeaderFault, Layout, PAGE_BYTES, StoreError, T3Options};

/// Pause between two tries for the lock.
const LOCK_PAUSE: Duration = Duration::from_millis(2);

/// A locked file with a good header.
pub(crate) struct OpenFile {
    pub(crate) file: File,
    pub(crate) path: Arc<Path>,
    pub(crate) layout: Layout,
    pub(crate) direct: bool,
}

/// Makes a new file. If that fails, no new file is left behind.
pub(crate) fn create(path: &Path, layout: Layout, options: &T3Options) -> Result<OpenFile, StoreError> {
    let path: Arc<Path> = Arc::from(path);
    let (file, direct) = open_file(&path, true, options)?;
    lock(&file, &path, options.lock_wait)?;
    let bytes = file.metadata().map_err(|e| io_error(&path, "cannot read its size", errno(&e)))?.len();
    if bytes > 0 && !options.replace {
        return Err(StoreError::Exists { file: path, bytes });
    }
    let mut open = OpenFile { file, path, layout, direct };
    open.fill(options).inspect_err(|_| {
        // Half a file is no use to anyone; the error that stopped it is the one to report.
        let _ = std::fs::remove_file(&open.path);
    })?;
    Ok(open)
}

/// Opens an existing file and reads its header. Changes nothing in it.
pub(crate) fn open(path: &Path, options: &T3Options) -> Result<OpenFile, StoreError> {
    let path: Arc<Path> = Arc::from(path);
    let (file, mut direct) = open_file(&path, false, options)?;
    lock(&file, &path, options.lock_wait)?;
    let found = file.metadata().map_err(|e| io_error(&path, "cannot read its size", errno(&e)))?.len();
    if found < PAGE_BYTES as u64 {
        return Err(StoreError::BadHeader { file: path, fault: HeaderFault::Short { found } });
    }
    let mut page = pages(1);
    header_io(&file, &path, &mut direct, "cannot read the file header", |file| file.read_exact_at(&mut page[0].0, 0))?;
    match FileHeader::decode(&page[0]) {
        Ok(header) => Ok(OpenFile { file, path, layout: header.layout, direct }),
        Err(fault) => Err(StoreError::BadHeader { file: path, fault }),
    }
}

impl OpenFile {
    /// Empties the file, reserves its space and writes the header, in this order, so that a file
    /// with a header is complete.
    fn fill(&mut self, options: &T3Options) -> Result<(), StoreError> {
        let fail = |what: &str, e: std::io::Error| io_error(&self.path, what, errno(&e));
        self.file.set_len(0).map_err(|e| fail("cannot empty it", e))?;
        if options.reserve {
            reserve(&self.file, &self.path, self.layout.file_bytes())?;
        }
        self.file.set_len(self.layout.file_bytes()).map_err(|e| match errno(&e) {
            Errno::FBIG | Errno::NOSPC => no_space(&self.file, &self.path, self.layout.file_bytes()),
            source => io_error(&self.path, "cannot set its size", source),
        })?;
        let mut page: Box<[Page]> = pages(1);
        FileHeader { layout: self.layout }.encode(&mut page[0]);
        let what = "cannot write the file header";
        header_io(&self.file, &self.path, &mut self.direct, what, |file| file.write_all_at(&page[0].0, 0))?;
        self.file.sync_all().map_err(|e| fail("cannot sync it", e))?;
        // The name is durable only once the directory is. Not every file system can do this, and
        // a lost name is an empty tier, not a wrong one.
        let folder = self
            .path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        if let Err(error) = File::open(folder).and_then(|folder| folder.sync_all()) {
            tracing::debug!(folder = %folder.display(), %error, "cannot sync the directory");
        }
        Ok(())
    }
}

fn open_file(path: &Arc<Path>, create: bool, options: &T3Options) -> Result<(File, bool), StoreError> {
    let mut how = OpenOptions::new();
    how.read(true).write(true).create(create).truncate(false);
    if options.direct {
        match how.clone().custom_flags(OFlags::DIRECT.bits() as i32).open(path) {
            Ok(file) => return Ok((file, true)),
            Err(e) if e.kind() == ErrorKind::InvalidInput => warn_buffered(path, "open"),
            Err(e) => return Err(io_error(path, "cannot open it", errno(&e))),
        }
    }
    let file = how.open(path).map_err(|e| io_error(path, "cannot open it", errno(&e)))?;
    Ok((file, false))
}

/// Reads or writes the file header. Some file systems take O_DIRECT at open and refuse the first
/// transfer; they get buffered I/O as well, on the same descriptor, since it holds the lock.
fn header_io(
    file: &File,
    path: &Arc<Path>,
    direct: &mut bool,
    what: &str,
    mut io: impl FnMut(&File) -> std::io::Result<()>,
) -> Result<(), StoreError> {
    let mut result = io(file);
    if *direct && result.as_ref().is_err_and(|e| e.kind() == ErrorKind::InvalidInput) {
        warn_buffered(path, "transfer");
        let flags = rustix::fs::fcntl_getfl(file).map_err(|source| io_error(path, what, source))?;
        rustix::fs::fcntl_setfl(file, flags - OFlags::DIRECT).map_err(|source| io_error(path, what, source))?;
        *direct = false;
        result = io(file);
    }
    result.map_err(|e| match errno(&e) {
        Errno::NOSPC | Errno::DQUOT | Errno::FBIG => no_space(file, path, PAGE_BYTES as u64),
        source => io_error(path, what, source),
    })
}

fn warn_buffered(path: &Path, at: &str) {
    tracing::warn!(
        file = %path.display(),
        "the file system refuses O_DIRECT at {at}: T3 uses buffered I/O, so its blocks also occupy the page cache; \
         put the file on ext4, XFS or a block device for direct I/O"
    );
}

fn lock(file: &File, path: &Arc<Path>, patience: Duration) -> Result<(), StoreError> {
    let start = Instant::now();
    loop {
        match rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(Errno::WOULDBLOCK) if start.elapsed() < patience => thread::sleep(LOCK_PAUSE),
            Err(Errno::WOULDBLOCK) => {
                return Err(StoreError::Locked { file: Arc::clone(path), waited_ms: patience.as_millis() as u64 });
            }
            Err(source) => return Err(io_error(path, "cannot lock it", source)),
        }
    }
}

/// Gives the lock back. Closing the file would do that too, but a kernel worker that has just
/// reported its last operation may hold the file open a moment longer.
pub(crate) fn unlock(file: &File) {
    if let Err(error) = rustix::fs::flock(file, FlockOperation::Unlock) {
        tracing::debug!(%error, "cannot unlock the T3 file");
    }
}

fn reserve(file: &File, path: &Arc<Path>, bytes: u64) -> Result<(), StoreError> {
    loop {
        return match rustix::fs::fallocate(file, FallocateFlags::empty(), 0, bytes) {
            Ok(()) => Ok(()),
            Err(Errno::INTR) => continue,
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => {
                tracing::warn!(
                    file = %path.display(), bytes,
                    "the file system cannot reserve space: the file is sparse, and a full disk will show only when a block is stored"
                );
                Ok(())
            }
            Err(Errno::NOSPC | Errno::FBIG | Errno::DQUOT) => Err(no_space(file, path, bytes)),
            Err(source) => Err(io_error(path, "cannot reserve its space", source)),
        };
    }
}

/// The error for a full file system, with what it has left.
pub(crate) fn no_space(file: &File, path: &Arc<Path>, needed: u64) -> StoreError {
    let available = rustix::fs::fstatvfs(file).ok().map(|fs| fs.f_bavail.saturating_mul(fs.f_frsize));
    StoreError::NoSpace { file: Arc::clone(path), needed, available }
}

pub(crate) fn io_error(path: &Arc<Path>, what: impl Into<String>, source: Errno) -> StoreError {
    StoreError::Io { file: Arc::clone(path), what: what.into(), source }
}
