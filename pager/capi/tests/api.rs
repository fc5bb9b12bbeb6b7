//! What C may hand over by mistake is an error with a text, and what it asks for is done.
#![allow(unsafe_code, reason = "the functions are C's")]
#![allow(
    clippy::undocumented_unsafe_blocks,
    reason = "each call gives what the header asks for, or what it says is an error"
)]
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use kvcpu_pager::claim::{Claim, Requirement};
use kvcpu_pager::container::{OpenOptions, WriterOptions};
use kvcpu_pager::{BlockSize, Container, OwnerSecret, SealOptions, SignedClaim, seal_file};
use kvcpu_pager_c::*;
use std::ffi::{CStr, CString, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use tempfile::TempDir;

const BLOCK: u64 = 4096;
const BYTES: u64 = 100 * BLOCK + 100;
const TENANT: u8 = 7;

/// A sealed file, its secret's file, and what is in it.
struct Sealed {
    folder: TempDir,
    file: CString,
    key: CString,
    secret: OwnerSecret,
    bytes: Vec<u8>,
}

fn c(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).unwrap()
}

fn sealed(requirement: Option<Requirement>) -> Sealed {
    let folder = tempfile::tempdir().unwrap();
    let [plain, file, key] = ["data", "data.tza", "key"].map(|name| folder.path().join(name));
    let bytes: Vec<u8> = (0..BYTES).map(|n| (n / 3) as u8 ^ (n >> 8) as u8).collect();
    std::fs::write(&plain, &bytes).unwrap();
    let secret = OwnerSecret::random().unwrap();
    secret.write(&key).unwrap();
    let writer = WriterOptions { block_size: BlockSize::MIN, secret: Some(&secret), ..WriterOptions::default() };
    seal_file(&plain, &file, &SealOptions { writer, tenant: TENANT, requirement }, |_| {}).unwrap();
    Sealed { file: c(&file), key: c(&key), folder, secret, bytes }
}

fn options() -> KvpOptions {
    KvpOptions {
        size: size_of::<KvpOptions>(),
        budget_bytes: 0,
        policy: KvpPolicy::Lru as u32,
        batch: 0,
        fault_around: u32::MAX,
        deadline_ms: 0,
        on_fault: None,
        context: null_mut(),
    }
}

fn open(sealed: &Sealed, options: &KvpOptions) -> *mut KvpArena {
    let mut arena = null_mut();
    let status = unsafe { kvp_open(sealed.file.as_ptr(), sealed.key.as_ptr(), options, &mut arena) };
    assert_eq!(status, 0, "{}", text());
    arena
}

fn text() -> String {
    unsafe { CStr::from_ptr(kvp_last_error()) }.to_str().unwrap().into()
}

#[track_caller]
fn refused(status: c_int, expected: KvpStatus, part: &str) {
    assert_eq!(status, expected as c_int, "{}", text());
    assert!(text().contains(part), "{}", text());
}

fn counters(arena: *const KvpArena) -> KvpCounters {
    let mut counters = KvpCounters::default();
    assert_eq!(unsafe { kvp_read_counters(arena, &mut counters, size_of::<KvpCounters>()) }, 0);
    counters
}

fn read(arena: *const KvpArena, offset: u64, bytes: usize) -> Result<Vec<u8>, c_int> {
    let mut to = vec![0xA5; bytes];
    match unsafe { kvp_read(arena, offset, to.as_mut_ptr().cast(), bytes) } {
        0 => Ok(to),
        status => Err(status),
    }
}

#[test]
fn files_and_secrets_that_are_none_are_told() {
    let sealed = sealed(None);
    let mut arena = null_mut();
    let mut opening = |file: &CString, secret: Option<&CString>| unsafe {
        kvp_open(file.as_ptr(), secret.map_or(null(), |secret| secret.as_ptr()), null(), &mut arena)
    };
    refused(opening(&c"/no/such.tza".into(), None), KvpStatus::File, "/no/such.tza");
    refused(opening(&sealed.file, None), KvpStatus::Key, "encrypted");
    refused(opening(&sealed.file, Some(&c"/no/key".into())), KvpStatus::File, "/no/key");
    refused(opening(&sealed.file, Some(&sealed.file)), KvpStatus::Key, "32 raw bytes");
    refused(opening(&c(&sealed.folder.path().join("data")), None), KvpStatus::Format, "no .tza file");
    let other = sealed.folder.path().join("other");
    OwnerSecret::random().unwrap().write(&other).unwrap();
    refused(opening(&sealed.file, Some(&c(&other))), KvpStatus::Key, "not the one it was sealed with");
    assert!(arena.is_null());
}

#[test]
fn null_pointers_are_told() {
    let sealed = sealed(None);
    let arena = open(&sealed, &options());
    let (mut number, mut buffer) = (0u64, [0u8; 8]);
    unsafe {
        let (file, key) = (sealed.file.as_ptr(), sealed.key.as_ptr());
        refused(kvp_open(file, key, null(), null_mut()), KvpStatus::Pointer, "arena is null");
        refused(kvp_open(null(), null(), null(), &mut null_mut()), KvpStatus::Pointer, "file is null");
        refused(kvp_close(null_mut()), KvpStatus::Pointer, "arena");
        refused(kvp_unpin(null_mut()), KvpStatus::Pointer, "pin");
        refused(kvp_address(arena, null_mut()), KvpStatus::Pointer, "address");
        refused(kvp_address(null(), &mut null()), KvpStatus::Pointer, "arena");
        refused(kvp_length(arena, null_mut()), KvpStatus::Pointer, "bytes");
        let odd = (&raw mut number).cast::<u8>().wrapping_add(1).cast();
        refused(kvp_length(arena, odd), KvpStatus::Pointer, "not aligned");
        refused(kvp_block_bytes(null(), &mut number), KvpStatus::Pointer, "arena");
        refused(kvp_region(arena, null(), &mut number, &mut 0), KvpStatus::Pointer, "name");
        refused(kvp_region(arena, c"data".as_ptr(), null_mut(), &mut 0), KvpStatus::Pointer, "offset");
        refused(kvp_pin(arena, 0, 1, null_mut()), KvpStatus::Pointer, "pin");
        refused(kvp_read(arena, 0, null_mut(), 1), KvpStatus::Pointer, "to is null");
        refused(kvp_read(null(), 0, buffer.as_mut_ptr().cast(), 1), KvpStatus::Pointer, "arena");
        refused(kvp_present_claim(arena, null()), KvpStatus::Pointer, "file");
        refused(kvp_revoke_claim(null(), 1), KvpStatus::Pointer, "arena");
        let size = size_of::<KvpCounters>();
        refused(kvp_read_counters(arena, null_mut(), size), KvpStatus::Pointer, "counters");
        for status in
            [kvp_prefault(null(), 0, 1), kvp_advise(null(), 0, 1, 104), kvp_touch(null(), 0, 1), kvp_step(null())]
        {
            refused(status, KvpStatus::Pointer, "arena is null");
        }
        assert_eq!(kvp_close(arena), 0);
    }
}

#[test]
fn numbers_and_texts_without_a_meaning_are_told() {
    let sealed = sealed(None);
    let mut arena = null_mut();
    let mut opening =
        |options: KvpOptions| unsafe { kvp_open(sealed.file.as_ptr(), sealed.key.as_ptr(), &options, &mut arena) };
    refused(opening(KvpOptions { size: 0, ..options() }), KvpStatus::Argument, "sizeof(kvp_options)");
    refused(opening(KvpOptions { size: usize::MAX, ..options() }), KvpStatus::Argument, "sizeof(kvp_options)");
    refused(opening(KvpOptions { policy: 3, ..options() }), KvpStatus::Argument, "policy 3");
    refused(opening(KvpOptions { batch: 1025, ..options() }), KvpStatus::Argument, "batch");
    refused(opening(KvpOptions { budget_bytes: 1, ..options() }), KvpStatus::Argument, "budget of 1 bytes");

    let arena = open(&sealed, &options());
    unsafe {
        let (mut offset, mut bytes, mut length) = (0, 0, 0u64);
        refused(kvp_region(arena, c"\xFF".as_ptr(), &mut offset, &mut bytes), KvpStatus::Text, "UTF-8");
        refused(kvp_region(arena, c"nothing".as_ptr(), &mut offset, &mut bytes), KvpStatus::NotFound, "nothing");
        assert_eq!(kvp_region(arena, c"data".as_ptr(), &mut offset, &mut bytes), 0);
        assert_eq!((offset, bytes), (0, BYTES));
        refused(kvp_advise(arena, 0, 1, 103), KvpStatus::Argument, "advice 103");
        for (offset, bytes) in [(0, BYTES + 1), (BYTES + 1, 0), (u64::MAX, 1), (1, u64::MAX)] {
            refused(kvp_prefault(arena, offset, bytes), KvpStatus::Range, "of an arena of");
            refused(kvp_pin(arena, offset, bytes, &mut null_mut()), KvpStatus::Range, "of an arena of");
            refused(kvp_advise(arena, offset, bytes, 106), KvpStatus::Range, "of an arena of");
            refused(
                kvp_read(arena, offset, (&raw mut length).cast(), bytes as usize),
                KvpStatus::Range,
                "of an arena of",
            );
        }
        refused(kvp_read_counters(arena, &mut KvpCounters::default(), 8), KvpStatus::Argument, "kvp_counters");
        assert_eq!(kvp_close(arena), 0);
    }
}

#[test]
fn options_of_a_later_version_are_taken_if_they_ask_for_nothing_new() {
    let sealed = sealed(None);
    #[repr(C)]
    struct Later(KvpOptions, u64);
    let mut later = Later(KvpOptions { size: size_of::<Later>(), ..options() }, 0);
    let opening = |later: &Later| {
        let mut arena = null_mut();
        let status = unsafe {
            kvp_open(sealed.file.as_ptr(), sealed.key.as_ptr(), std::ptr::from_ref(later).cast(), &mut arena)
        };
        (status, arena)
    };
    let (status, arena) = opening(&later);
    assert_eq!((status, unsafe { kvp_close(arena) }), (0, 0));
    later.1 = 1;
    refused(opening(&later).0, KvpStatus::Argument, "later version");
}

#[test]
fn every_policy_gives_the_bytes_within_its_budget() {
    let sealed = sealed(None);
    for policy in [KvpPolicy::Lru, KvpPolicy::Clock, KvpPolicy::Hepc] {
        // For HEPC devices of 64 and of 512 entries.
        for blocks in [16, 80] {
            let options = KvpOptions {
                policy: policy as u32,
                budget_bytes: blocks * BLOCK,
                batch: 8,
                fault_around: 0,
                ..options()
            };
            let arena = open(&sealed, &options);
            let mut address = null();
            assert_eq!(unsafe { kvp_address(arena, &mut address) }, 0);
            for _ in 0..3 {
                // SAFETY: the arena has that many bytes, and is open.
                let found = unsafe { std::slice::from_raw_parts(address.cast::<u8>(), BYTES as usize) };
                assert!(found == sealed.bytes, "{policy:?}");
                unsafe { assert_eq!(kvp_step(arena), 0) };
                assert!(read(arena, 0, BYTES as usize).unwrap() == sealed.bytes, "{policy:?}");
            }
            let counted = counters(arena);
            assert!(counted.evicted > 0 && counted.unmapped > 0 && counted.batches > 0, "{policy:?} {counted:?}");
            assert!(counted.resident_bytes <= blocks * BLOCK && counted.failed == 0, "{policy:?} {counted:?}");
            assert_eq!(unsafe { kvp_close(arena) }, 0);
        }
    }
}

#[test]
fn pins_keep_memory_and_outlive_the_handle() {
    let sealed = sealed(None);
    let options = KvpOptions { budget_bytes: 16 * BLOCK, deadline_ms: 100, ..options() };
    let arena = open(&sealed, &options);
    let (mut address, mut pin, mut length, mut block) = (null::<c_void>(), null_mut(), 0, 0);
    unsafe {
        assert_eq!(kvp_length(arena, &mut length), 0);
        assert_eq!(kvp_block_bytes(arena, &mut block), 0);
        assert_eq!((length, block), (BYTES, BLOCK));
        assert_eq!(kvp_address(arena, &mut address), 0);
        assert_eq!(kvp_pin(arena, 0, 4 * BLOCK, &mut pin), 0, "{}", text());
        assert_eq!(kvp_prefault(arena, 0, BYTES), 0, "{}", text());
        assert_eq!(kvp_touch(arena, 0, BLOCK), 0);
        for advice in [KvpAdvice::Hot, KvpAdvice::Evict, KvpAdvice::Prefetch] {
            assert_eq!(kvp_advise(arena, 8 * BLOCK, BLOCK, advice as c_int), 0);
        }
        let mut other = null_mut();
        refused(kvp_pin(arena, 0, 64 * BLOCK, &mut other), KvpStatus::NoRoom, "unpin some");
        assert!(other.is_null());
        assert_eq!(kvp_close(arena), 0);
        // SAFETY: pinned.
        let found = std::slice::from_raw_parts(address.cast::<u8>(), 4 * BLOCK as usize);
        assert!(found == &sealed.bytes[..4 * BLOCK as usize]);
        assert_eq!(kvp_unpin(pin), 0);
    }
}

#[test]
fn claims_open_and_close() {
    let sealed = sealed(Some(Requirement { clearance: 2, department: None }));
    let told = AtomicU64::new(0);
    unsafe extern "C" fn count(told: *mut c_void, fault: *const KvpFault) -> c_int {
        // SAFETY: it is the counter above, and the fault of the call.
        let (told, fault) = unsafe { (&*told.cast::<AtomicU64>(), &*fault) };
        assert_eq!((fault.cause, fault.detail), (KvpCause::Denied as i32, TENANT.into()));
        told.fetch_add(1, Relaxed);
        KvpAction::Poison as c_int
    }
    let context = std::ptr::from_ref(&told).cast_mut().cast();
    let arena = open(&sealed, &KvpOptions { on_fault: Some(count), context, ..options() });
    let mut address = null();
    assert_eq!(unsafe { kvp_address(arena, &mut address) }, 0);
    // SAFETY: within the arena, which is open.
    let touch = || unsafe { address.cast::<u8>().add(301).read_volatile() };
    assert_eq!((touch(), told.load(Relaxed)), (0, 1));
    refused(read(arena, 0, 10).unwrap_err(), KvpStatus::Denied, "tenant 7");

    let claim = claim(&sealed, 2);
    unsafe {
        refused(kvp_present_claim(arena, c"/no/claim".as_ptr()), KvpStatus::File, "/no/claim");
        let data = c(&sealed.folder.path().join("data"));
        refused(kvp_present_claim(arena, data.as_ptr()), KvpStatus::File, "UTF-8");
        assert_eq!(kvp_present_claim(arena, claim.as_ptr()), 0, "{}", text());
        assert_eq!(touch(), sealed.bytes[301]);
        assert!(read(arena, 0, BYTES as usize).unwrap() == sealed.bytes);
        assert_eq!(kvp_revoke_claim(arena, 12), 0, "{}", text());
        assert_eq!(touch(), 0);
        refused(read(arena, 0, 10).unwrap_err(), KvpStatus::Denied, "tenant 7");
        refused(kvp_present_claim(arena, claim.as_ptr()), KvpStatus::Claim, "revoked");
        assert_eq!(kvp_close(arena), 0);
    }
}

/// A claim's file.
fn claim(sealed: &Sealed, clearance: u8) -> CString {
    let how = OpenOptions { secret: Some(&sealed.secret), ..OpenOptions::default() };
    let arena = Container::open(&PathBuf::from(sealed.file.to_str().unwrap()), how)
        .unwrap()
        .header()
        .arena;
    let claim = Claim {
        identity: "reader".into(),
        role: String::new(),
        department: String::new(),
        clearance,
        tenant: TENANT,
        arena,
        not_after_unix_s: u64::MAX,
        serial: 12,
    };
    let path = sealed.folder.path().join("claim");
    let signed = SignedClaim::sign(claim, &sealed.secret.signing_key()).unwrap();
    std::fs::write(&path, signed.to_text().unwrap()).unwrap();
    c(&path)
}
