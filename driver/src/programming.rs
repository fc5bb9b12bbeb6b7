//! Configure, enable, disable, reset: the life cycle.
//!
//! Memory is had before the first register is written, so a configuration that fails for want of
//! memory leaves the device alone.

use std::sync::atomic::Ordering;
use std::time::Instant;

use kvcpu_mmio::regs::{control, dma, hepc, luf, rtbd, service, tier};
use kvcpu_mmio::{Backing, Geometry};

use crate::device::{let_master, lock};
use crate::transfers::Rings;
use crate::wait::Wait;
use crate::{Config, ConfigError, Device, DmaBuffer, DriverError, firmware};

/// CONFIG_ERR while the directory is in maintenance mode.
const MAINTENANCE: u64 = 9;

/// What a configured device needs to stay alive.
pub(crate) struct Active {
    pub(crate) config: Config,
    /// Frames of T0 (GPU memory is modelled as bus memory) and T2.
    _arenas: [Option<DmaBuffer>; 2],
}

impl<B: Backing + ?Sized + 'static> Device<B> {
    /// Checks `config` against the geometry, programs the device and enables it, empty. A device that
    /// was enabled is disabled first: its blocks and queues are gone. Firmware that still tests the directory is waited for.
    ///
    /// If T3 is used with bytes a [`T3Backend`](crate::T3Backend) must have been given before.
    pub fn configure(&self, config: Config) -> Result<(), DriverError> {
        config.check(self.geometry())?;
        if config.uses_t3() && !lock(&self.inner.service).has_backend() {
            return Err(config_error(
                "tiers[3].limit",
                config.tiers[3].limit,
                "T3 is served by the host and no backend was given",
                "call Device::set_t3_backend first, or set the limit to 0",
            ));
        }
        self.set_deadline(config.deadline);
        let _held = lock(&self.inner.lent);
        firmware::let_boot(self)?;
        self.turn_off()?;
        let arena = |number: usize| {
            let bytes = (config.tiers[number].frames as usize) << config.block_shift;
            match bytes {
                0 => Ok(None),
                _ if config.metadata_only => Ok(None),
                _ => self.dma_alloc(bytes).map(Some),
            }
        };
        let (t0, t2) = (arena(0)?, arena(2)?);
        // Metadata-only T3 never asks the host, but the device wants the rings all the same.
        let rings = if config.tiers[3].limit > 0 { Some(Rings::new(self, &config)?) } else { None };
        if let Err(error) = self.enable(|| self.program(&config, t0.as_ref(), t2.as_ref(), rings.as_ref())) {
            // It must not come up later, when its memory is gone.
            let _ = self.write(&control::CTRL, 0);
            return Err(error);
        }
        lock(&self.inner.service).start(rings, &config);
        *lock(&self.inner.active) = Some(Active { config: config.clone(), _arenas: [t0, t2] });
        self.inner.serves.store(config.uses_t3() || config.agents != 0, Ordering::Release);
        tracing::debug!(?config, "configured");
        Ok(())
    }

    fn program(
        &self,
        config: &Config,
        t0: Option<&DmaBuffer>,
        t2: Option<&DmaBuffer>,
        rings: Option<&Rings>,
    ) -> Result<(), DriverError> {
        self.write(&rtbd::RTBD_CTRL, 0)?;
        self.write(&dma::BLOCK_SHIFT, config.block_shift.into())?;
        self.write(&dma::DMA_CTRL, config.metadata_only.into())?;
        let bases = [t0.map_or(0, DmaBuffer::iova), 0, t2.map_or(0, DmaBuffer::iova), 0];
        for (number, (of, base)) in (0..).zip(config.tiers.iter().zip(bases)) {
            self.write_at(&tier::TIER_FRAMES, number, 0, of.frames.into())?;
            self.write_at(&tier::TIER_LIMIT, number, 0, of.limit.into())?;
            self.write_at(&tier::TIER_HIGH, number, 0, of.high.into())?;
            self.write_at(&tier::TIER_LOW, number, 0, of.low.into())?;
            self.write_at(&tier::TIER_BASE, number, 0, base)?;
            self.write_at(&tier::TIER_LOOKAHEAD, number, 0, of.lookahead.into())?;
        }
        self.set_weights(config.weights)?;
        self.write(&hepc::RECENCY_SHIFT, config.recency_shift.into())?;
        let guard = hepc::GUARD::ENABLE.set(0, config.fixed_policy.is_none().into());
        let policy = config.fixed_policy.map_or(hepc::GUARD::POLICY.get(hepc::GUARD.reset), u64::from);
        self.write(&hepc::GUARD, hepc::GUARD::POLICY.set(guard, policy))?;
        self.write(&hepc::EVICT_THRESH, config.evict_thresh.into())?;
        self.write(&hepc::PREFETCH_TIER, config.prefetch_tier.into())?;
        let lazy = luf::LUF_CTRL::LAZY.set(0, config.luf_lazy.into());
        self.write(&luf::LUF_CTRL, luf::LUF_CTRL::CHECK.set(lazy, config.luf_check.into()))?;
        self.write(&luf::AGENT_MASK, config.agents.into())?;
        if let Some(rings) = rings {
            self.write(&service::SVC_SQ_BASE, rings.requests_iova())?;
            self.write(&service::SVC_CQ_BASE, rings.answers_iova())?;
            self.write(&service::SVC_STAGE_BASE, rings.staging_iova())?;
            self.write(&service::SVC_STAGE_SLOTS, config.staging_slots.into())?;
            self.write(&service::SVC_SIZE, config.service_log2.into())?;
        }
        self.write(&service::SVC_CTRL, rings.is_some().into())
    }

    /// Programs the device and enables it. If there turns out to be firmware after all, which a reset hid for a moment, the device may have been
    /// in its march, or have been reset by it: its self-test is waited for, and all of it done again, up to the deadline.
    fn enable(&self, program: impl Fn() -> Result<(), DriverError>) -> Result<(), DriverError> {
        let begin = Instant::now();
        loop {
            let known = self.inner.has_firmware.load(Ordering::Relaxed);
            program()?;
            let cause = self.try_enable(known)?;
            let appeared = !known && firmware::look(self)?;
            if cause == 0 && !appeared {
                return Ok(());
            }
            let again = (appeared || cause == MAINTENANCE) && begin.elapsed() < self.deadline();
            if !again || !firmware::appears(self)? {
                return Err(self.refused(cause)?.into());
            }
            firmware::let_boot(self)?;
            self.turn_off()?;
        }
    }

    /// Sets CTRL.ENABLE and waits until the device takes commands, or firmware appears that was not `known`, which gives 0, or refuses, which gives
    /// CONFIG_ERR.
    fn try_enable(&self, known: bool) -> Result<u64, DriverError> {
        self.wait_status("reset to end", &control::STATUS::READY, 1)?;
        self.modify(&control::ERR_STATUS, &[(&control::ERR_STATUS::CONFIG, 1)])?;
        self.write(&control::CTRL, control::CTRL::ENABLE.mask())?;
        let mut wait = Wait::new(self, self.deadline(), None);
        loop {
            let status = self.read(&control::STATUS)?;
            if control::STATUS::ENABLED.get(status) == 1 || !known && firmware::look(self)? {
                return Ok(0);
            }
            if control::CTRL::ENABLE.get(self.read(&control::CTRL)?) == 0 {
                let cause = self.read(&control::CONFIG_ERR)?;
                if cause != 0 {
                    return Ok(cause);
                }
            }
            if wait.tick()? {
                return Err(wait.timeout("enabling the device", "STATUS", status));
            }
        }
    }

    /// Clears CTRL.ENABLE: blocks, directory and queues are gone. T3 operations under way are waited
    /// for, since they use staging memory, and so is a self-test of the firmware's.
    pub fn disable(&self) -> Result<(), DriverError> {
        let _held = lock(&self.inner.lent);
        self.turn_off()
    }

    fn turn_off(&self) -> Result<(), DriverError> {
        self.inner.serves.store(false, Ordering::Release);
        self.write(&control::CTRL, 0)?;
        self.wait_status("disabling the device", &control::STATUS::ENABLED, 0)?;
        lock(&self.inner.service).stop(self.deadline());
        *lock(&self.inner.active) = None;
        Ok(())
    }

    /// Function-level reset: every register takes its reset value; configure it again afterwards. A self-test of the firmware's is waited for, and
    /// firmware that was there until it has booted and tested itself.
    pub fn reset(&self) -> Result<(), DriverError> {
        let _held = lock(&self.inner.lent);
        self.inner.serves.store(false, Ordering::Release);
        self.backing().reset()?;
        let_master(&**self.backing())?;
        self.wait_status("reset to end", &control::STATUS::READY, 1)?;
        lock(&self.inner.service).stop(self.deadline());
        *lock(&self.inner.active) = None;
        firmware::let_boot(self)
    }

    /// Waits until a field of STATUS has a value.
    pub(crate) fn wait_status(
        &self,
        what: &'static str,
        field: &kvcpu_mmio::Field,
        value: u64,
    ) -> Result<(), DriverError> {
        let mut wait = Wait::new(self, self.deadline(), None);
        loop {
            let status = self.read(&control::STATUS)?;
            if field.get(status) == value {
                return Ok(());
            }
            if wait.tick()? {
                return Err(wait.timeout(what, "STATUS", status));
            }
        }
    }

    /// CONFIG_ERR in words, with the values that the device has.
    fn refused(&self, cause: u64) -> Result<ConfigError, DriverError> {
        let geometry: &Geometry = self.geometry();
        let mut tiers = [[0; 4]; 4];
        for (number, values) in (0..).zip(&mut tiers) {
            let registers = [&tier::TIER_FRAMES, &tier::TIER_LIMIT, &tier::TIER_HIGH, &tier::TIER_LOW];
            for (value, register) in values.iter_mut().zip(registers) {
                *value = self.read_at(register, number, 0)?;
            }
        }
        let culprit = |bad: &dyn Fn(&[u64; 4]) -> bool| tiers.iter().position(bad).unwrap_or(0);
        let entries = u64::from(geometry.entries());
        let (field, value, limit, remedy) = match cause {
            1 => (
                "block_shift".into(),
                self.read(&dma::BLOCK_SHIFT)?,
                format!("the device has {} to {}", geometry.min_block_shift, geometry.max_block_shift),
                "choose another block size",
            ),
            2 => {
                let number = culprit(&|tier| tier[0] > entries);
                (
                    format!("tiers[{number}].frames"),
                    tiers[number][0],
                    format!("the directory has {entries} entries"),
                    "give the tier fewer frames",
                )
            }
            3 => {
                let number = culprit(&|tier| tier[1] > tier[0]);
                (
                    format!("tiers[{number}].limit"),
                    tiers[number][1],
                    format!("the tier has {} frames", tiers[number][0]),
                    "raise frames or lower limit",
                )
            }
            4 => (
                "tiers[1].frames".into(),
                tiers[1][0],
                format!("the card has {} KiB", geometry.t1_kib),
                "give T1 fewer frames or choose smaller blocks",
            ),
            5 => (
                "tiers[3].limit".into(),
                tiers[3][1],
                "T3 needs the service queue and staging slots".into(),
                "set staging_slots and service_log2, or turn T3 off",
            ),
            6 => ("tiers".into(), 0, "no tier has frames".into(), "give at least one tier a limit"),
            7 => (
                "prefetch_tier".into(),
                self.read(&hepc::PREFETCH_TIER)?,
                "the tier has no frames".into(),
                "name a tier in use",
            ),
            8 => {
                let number = culprit(&|tier| tier[3] > tier[2] || tier[2] > tier[1]);
                (
                    format!("tiers[{number}].high"),
                    tiers[number][2],
                    format!("low is {}, limit is {}", tiers[number][3], tiers[number][1]),
                    "keep low <= high <= limit",
                )
            }
            MAINTENANCE => (
                "RTBD_CTRL.MAINT".into(),
                1,
                "the directory is in maintenance mode".into(),
                "clear RTBD_CTRL.MAINT, or wait until the firmware has tested it (FW_STATUS.STATE past 2)",
            ),
            _ => (
                "CONFIG_ERR".into(),
                cause,
                "a cause this driver does not know".into(),
                "use the driver that belongs to the device",
            ),
        };
        Ok(ConfigError { field, value, limit, remedy })
    }
}

fn config_error(field: &str, value: u32, limit: &str, remedy: &'static str) -> DriverError {
    let (field, limit) = (field.into(), limit.into());
    ConfigError { field, value: value.into(), limit, remedy }.into()
}
