//! The device as the callers of the ioctls see it: who is there, what was counted, and which order an ioctl is.
//!
//! ```text
//!  open ─► request id     ioctl ─┬─ STEP_ADVANCE, SET_WEIGHTS, GET_TELEMETRY ─► the device
//!                                └─ ranges ─► blocks of the caller ─► blocks.rs
//! ```
//!
//! Nothing of the protocol is here, and nothing of which device it is: anything that takes the driver's commands will do.

use kvcpu_driver::{Commands, Device, DriverError};
use kvcpu_mmio::Backing;
use kvcpu_mmio::geometry::TIERS;
use kvcpu_mmio::regs::{control, hepc, tier};
use kvcpu_mmio::uapi::{self, Blocks, Step, Telemetry, Weights};
use rustix::io::Errno;

use crate::blocks::{Hands, Order};
use crate::callers::{Callers, Span};
use crate::errno::errno;
use crate::policy;

/// The codes, to be matched.
mod code {
    use kvcpu_mmio::uapi;

    pub(super) const STEP_ADVANCE: u32 = uapi::STEP_ADVANCE.code();
    pub(super) const MARK_HOT: u32 = uapi::MARK_HOT.code();
    pub(super) const EVICT: u32 = uapi::EVICT.code();
    pub(super) const PREFETCH: u32 = uapi::PREFETCH.code();
    pub(super) const SHARE_PREFIX: u32 = uapi::SHARE_PREFIX.code();
    pub(super) const SET_WEIGHTS: u32 = uapi::SET_WEIGHTS.code();
    pub(super) const GET_TELEMETRY: u32 = uapi::GET_TELEMETRY.code();
}

/// A device and its callers.
#[derive(Debug)]
pub struct Card<B: Backing + ?Sized + 'static, C> {
    device: Device<B>,
    commands: C,
    callers: Callers,
    /// Where new blocks go.
    tier: u8,
    /// Blocks that the tiers hold together.
    capacity: u64,
    /// Counts and last range; the rest of it is read when it is asked for.
    told: Telemetry,
    /// As SET_WEIGHTS gave it: the registers keep steps.
    prefetch_thresh: u32,
}

impl<B: Backing + ?Sized + 'static, C: Commands> Card<B, C> {
    /// A configured device and the way its commands take.
    pub fn new(device: Device<B>, commands: C) -> Result<Self, DriverError> {
        let mut limits = [0; TIERS];
        for (number, limit) in (0..).zip(&mut limits) {
            *limit = device.read_at(&tier::TIER_LIMIT, number, 0)?;
        }
        let prefetched = device.read(&hepc::PREFETCH_TIER)? as usize;
        // Blocks begin where PREFETCH brings them to. INSERT cannot name T3.
        let tier = [prefetched, 0, 1]
            .into_iter()
            .find(|&number| number < 3 && limits[number] > 0)
            .unwrap_or(2) as u8;
        let prefetch_thresh = policy::read(&device)?.prefetch_thresh;
        let (callers, told) = (Callers::default(), Telemetry::default());
        Ok(Card { device, commands, callers, tier, capacity: limits.iter().sum(), told, prefetch_thresh })
    }

    /// A program opens the device; returns its handle.
    pub fn open(&mut self) -> Result<u64, Errno> {
        self.callers.open().map(u64::from).ok_or(Errno::NFILE)
    }

    /// The program has closed it: its references end, its blocks are released.
    pub fn close(&mut self, handle: u64) -> Result<(), Errno> {
        let (request, caller) = self.callers.get(handle).ok_or(Errno::BADF)?;
        let shared = std::mem::take(&mut caller.shared);
        match (Hands { commands: &mut self.commands, tier: self.tier }).release(request, shared) {
            Ok(()) => {
                self.callers.forget(request);
                Ok(())
            }
            Err(error) => {
                self.callers.keep(request);
                Err(errno(&error))
            }
        }
    }

    /// Closes it for all who have it open.
    pub fn close_all(&mut self) {
        for handle in self.callers.handles() {
            if let Err(error) = self.close(handle) {
                tracing::warn!(handle, %error, "blocks were not released");
            }
        }
    }

    /// An ioctl; returns what the program gets back.
    pub fn ioctl(&mut self, handle: u64, code: u32, input: &[u8]) -> Result<Vec<u8>, Errno> {
        self.callers.get(handle).ok_or(Errno::BADF)?;
        match code {
            code::STEP_ADVANCE => self.step(&Step::from_bytes(input).ok_or(Errno::INVAL)?)?,
            code::SET_WEIGHTS => self.weights(&Weights::from_bytes(input).ok_or(Errno::INVAL)?)?,
            code::GET_TELEMETRY => return Ok(self.telemetry().map_err(|error| errno(&error))?.to_bytes().into()),
            code::MARK_HOT | code::EVICT | code::PREFETCH | code::SHARE_PREFIX => {
                self.blocks(handle, code, &Blocks::from_bytes(input).ok_or(Errno::INVAL)?)?;
            }
            _ => return Err(Errno::NOTTY),
        }
        Ok(Vec::new())
    }

    /// Fails if the device is gone.
    pub fn check_alive(&self) -> Result<(), DriverError> {
        self.device.read(&control::MAGIC).map(drop)
    }

    /// Logs what went wrong at the host's end of T3 since the last time.
    pub fn log_service_errors(&self) {
        for error in self.device.take_service_errors() {
            tracing::warn!("{error}");
        }
    }

    fn step(&mut self, step: &Step) -> Result<(), Errno> {
        let step = u32::try_from(step.step).map_err(|_| Errno::INVAL)?;
        self.commands.step_advance(step).map_err(|error| errno(&error))?;
        self.told.step_count += 1;
        self.told.last_target_step = step.into();
        Ok(())
    }

    fn weights(&mut self, weights: &Weights) -> Result<(), Errno> {
        let checked = policy::check(weights).ok_or(Errno::INVAL)?;
        policy::write(&self.device, checked).map_err(|error| errno(&error))?;
        self.prefetch_thresh = weights.prefetch_thresh;
        Ok(())
    }

    fn telemetry(&self) -> Result<Telemetry, DriverError> {
        let uapi::Weights { w_r, w_f, w_s, w_d, evict_thresh, .. } = policy::read(&self.device)?;
        let (current_step, prefetch_thresh) = (self.device.read(&hepc::STEP)?, self.prefetch_thresh);
        Ok(Telemetry { current_step, w_r, w_f, w_s, w_d, evict_thresh, prefetch_thresh, ..self.told })
    }

    fn blocks(&mut self, handle: u64, code: u32, of: &Blocks) -> Result<(), Errno> {
        let (request, caller) = self.callers.get(handle).ok_or(Errno::BADF)?;
        let order = match code {
            code::MARK_HOT => Order::Hot,
            code::EVICT => Order::Evict,
            code::SHARE_PREFIX => Order::Share,
            _ => Order::Prefetch { step: u32::try_from(of.target_step).map_err(|_| Errno::INVAL)? },
        };
        let span = Span::of(request, of.va, of.len, self.commands.block_bytes(), self.capacity)?;
        let mut hands = Hands { commands: &mut self.commands, tier: self.tier };
        hands.obey(order, &span, &mut caller.shared).map_err(|error| errno(&error))?;
        let told = &mut self.told;
        (told.last_va, told.last_len, told.last_target_step) = (of.va, of.len, of.target_step);
        match order {
            Order::Hot => told.hot_count += 1,
            Order::Evict => told.evict_count += 1,
            Order::Share => told.share_count += 1,
            Order::Prefetch { .. } => told.prefetch_count += 1,
        }
        Ok(())
    }
}
