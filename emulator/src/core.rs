//! The device: all blocks together, life cycle, and the loop that carries out commands.

use crate::bus::HostBus;
use crate::command::{Current, Outcome};
use crate::counter::Counters;
use crate::csr::BadAccess;
use crate::dma::Dma;
use crate::hepc::{Guard, History, Lists, Tuning};
use crate::irq::{Irq, Source};
use crate::luf::Luf;
use crate::moves::Moves;
use crate::queue::{Origin, Queues};
use crate::rtbd::Rtbd;
use crate::service::Service;
use crate::tier::Tier;
use kvcpu_mmio::geometry::TIERS;
use kvcpu_mmio::map::{BAR0_BYTES, registers};
use kvcpu_mmio::queue::Status;
use kvcpu_mmio::regs::{control, dma, hepc, luf, rtbd, service, tier};
use kvcpu_mmio::{Bar, Field, Geometry, Register};

/// What a command waits for: the codes of STATUS.BLOCKED_ON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    Move = 1,
    Invalidation = 2,
    CompletionSpace = 3,
    Staging = 4,
    ServiceSpace = 5,
}

/// The device.
pub(crate) struct Core {
    pub(crate) geometry: Geometry,
    pub(crate) bus: Box<dyn HostBus>,
    /// BAR0 as plain storage; registers with behaviour keep their value elsewhere.
    pub(crate) words: Vec<u32>,
    pub(crate) bad_access: BadAccess,
    pub(crate) enabled: bool,
    pub(crate) err_status: u32,
    pub(crate) step: u32,
    /// The policy registers as the present command found them.
    pub(crate) tuning: Tuning,
    /// A plain register was written since `tuning` was taken.
    pub(crate) registers_written: bool,
    pub(crate) counters: Counters,
    pub(crate) irq: Irq,
    pub(crate) history: History,
    pub(crate) guard: Guard,
    pub(crate) rtbd: Rtbd,
    pub(crate) lists: Lists,
    pub(crate) tiers: [Tier; TIERS],
    pub(crate) luf: Luf,
    pub(crate) dma: Dma,
    pub(crate) moves: Moves,
    pub(crate) service: Service,
    pub(crate) queues: Queues,
    pub(crate) current: Option<Current>,
    pub(crate) blocked: Option<Wait>,
}

impl Core {
    pub(crate) fn new(geometry: Geometry, bus: Box<dyn HostBus>) -> Core {
        let mut core = Core {
            geometry,
            bus,
            words: vec![0; BAR0_BYTES as usize / 4],
            bad_access: BadAccess::default(),
            enabled: false,
            err_status: 0,
            step: 0,
            tuning: Tuning::default(),
            registers_written: true,
            counters: Counters::default(),
            irq: Irq::default(),
            history: History::new(),
            guard: Guard::default(),
            rtbd: Rtbd::new(&geometry),
            lists: Lists::default(),
            tiers: Default::default(),
            luf: Luf::default(),
            dma: Dma::default(),
            moves: Moves::default(),
            service: Service::default(),
            queues: Queues::default(),
            current: None,
            blocked: None,
        };
        core.reset();
        core
    }

    /// Everything to its reset value.
    pub(crate) fn reset(&mut self) {
        // Of what ends by it nobody is told.
        self.irq.reset();
        self.disable();
        self.words.fill(0);
        self.registers_written = true;
        for register in registers().filter(|r| r.bar == Bar::Regs) {
            for instance in 0..register.instances {
                for element in 0..register.elements {
                    let at = (register.at(instance) + element * register.bytes()) as usize / 4;
                    self.words[at] = register.reset as u32;
                    if register.width == 64 {
                        self.words[at + 1] = (register.reset >> 32) as u32;
                    }
                }
            }
        }
        self.counters = Counters::default();
        self.luf.check = false;
        (self.err_status, self.bad_access) = (0, BadAccess::default());
        self.queues = Queues::default();
        self.service.err = 0;
        self.dma.clear_errors();
        self.irq.reset();
    }

    pub(crate) fn set_bus_master(&mut self, on: bool) {
        self.irq.set_bus_master(on);
    }

    /// A plain register's value.
    pub(crate) fn word(&self, register: &Register, instance: u32) -> u32 {
        self.words[register.at(instance) as usize / 4]
    }

    fn word64(&self, register: &Register, instance: u32) -> u64 {
        let at = register.at(instance) as usize / 4;
        u64::from(self.words[at]) | u64::from(self.words[at + 1]) << 32
    }

    pub(crate) fn raise_error(&mut self, bit: &Field) {
        self.err_status |= bit.mask() as u32;
        self.irq.raise(Source::Error);
    }

    /// What is wrong with the configuration: the codes of CONFIG_ERR.
    fn config_error(&self) -> u32 {
        let shift = self.word(&dma::BLOCK_SHIFT, 0);
        let limits: Vec<u32> = (0..TIERS as u32).map(|t| self.word(&tier::TIER_LIMIT, t)).collect();
        let frames = |t: usize| self.word(&tier::TIER_FRAMES, t as u32);
        let t1_bytes = self.geometry.t1_bytes();
        let t1_end = self.word64(&tier::TIER_BASE, 1).saturating_add(u64::from(frames(1)) << shift);
        let bytes_move = self.word(&dma::DMA_CTRL, 0) == 0;
        let served = self.word(&service::SVC_CTRL, 0) == 1
            && (1..=64).contains(&self.word(&service::SVC_STAGE_SLOTS, 0))
            && (1..=15).contains(&self.word(&service::SVC_SIZE, 0));
        if shift < self.geometry.min_block_shift || shift > self.geometry.max_block_shift {
            1
        } else if (0..TIERS).any(|t| frames(t) > self.geometry.entries()) {
            2
        } else if (0..TIERS).any(|t| limits[t] > frames(t)) {
            3
        } else if bytes_move && limits[1] > 0 && t1_end > t1_bytes {
            4
        } else if bytes_move && limits[3] > 0 && !served {
            5
        } else if limits.iter().all(|&limit| limit == 0) {
            6
        } else if limits[self.word(&hepc::PREFETCH_TIER, 0) as usize] == 0 {
            7
        } else if (0..TIERS as u32).any(|t| self.word(&tier::TIER_LOW, t) > self.word(&tier::TIER_HIGH, t)) {
            8
        } else if self.word(&rtbd::RTBD_CTRL, 0) == 1 {
            9
        } else if self.word(&luf::AGENT_MASK, 0) >> self.geometry.agents != 0 {
            10
        } else if bytes_move && !self.addresses_fit(shift) {
            11
        } else {
            0
        }
    }

    /// Whether the addresses in use are aligned and do not pass the end of the address space.
    fn addresses_fit(&self, shift: u32) -> bool {
        let frames = |t: u32| u64::from(self.word(&tier::TIER_FRAMES, t));
        let in_use = |t: u32| self.word(&tier::TIER_LIMIT, t) > 0;
        let fits = |base: u64, align: u64, bytes: u64| base.is_multiple_of(align) && base.checked_add(bytes).is_some();
        let arenas = (0..3).all(|t| !in_use(t) || fits(self.word64(&tier::TIER_BASE, t), 8, frames(t) << shift));
        let slots = u64::from(self.word(&service::SVC_STAGE_SLOTS, 0));
        let size = self.word(&service::SVC_SIZE, 0);
        let served = !in_use(3)
            || fits(self.word64(&service::SVC_SQ_BASE, 0), 64, 64 << size.min(15))
                && fits(self.word64(&service::SVC_CQ_BASE, 0), 16, 16 << size.min(15))
                && fits(self.word64(&service::SVC_STAGE_BASE, 0), 8, slots << shift);
        arenas && served
    }

    /// CTRL.ENABLE rises.
    pub(crate) fn enable(&mut self) {
        let error = self.config_error();
        self.words[control::CONFIG_ERR.at(0) as usize / 4] = error;
        if error != 0 {
            self.raise_error(&control::ERR_STATUS::CONFIG);
            return;
        }
        for t in 0..TIERS as u32 {
            let (frames, limit) = (self.word(&tier::TIER_FRAMES, t), self.word(&tier::TIER_LIMIT, t));
            self.tiers[t as usize] = Tier::new(frames, limit, self.word64(&tier::TIER_BASE, t));
        }
        self.counters = Counters::default();
        (self.step, self.history) = (0, History::new());
        let blocks: u64 = self.tiers.iter().map(|tier| u64::from(tier.limit)).sum();
        self.guard = Guard::new(blocks.min(u64::from(self.geometry.entries() / 4 * 3)) as u32);
        self.luf.begin(self.words[luf::AGENT_MASK.at(0) as usize / 4] as u8);
        let metadata_only = self.word(&dma::DMA_CTRL, 0) == 1;
        let t1_frames = self.word(&tier::TIER_FRAMES, 1);
        self.dma.begin(self.word(&dma::BLOCK_SHIFT, 0), t1_frames, metadata_only);
        self.service.begin(
            self.word(&service::SVC_CTRL, 0) == 1,
            [&service::SVC_SQ_BASE, &service::SVC_CQ_BASE, &service::SVC_STAGE_BASE].map(|r| self.word64(r, 0)),
            self.word(&service::SVC_SIZE, 0),
        );
        self.moves.begin(self.word(&service::SVC_STAGE_SLOTS, 0));
        self.enabled = true;
        self.run();
    }

    /// CTRL.ENABLE falls: what is unfinished is aborted, the directory emptied.
    pub(crate) fn disable(&mut self) {
        let mut single_shot = self.queues.forget_all();
        if let Some(current) = self.current.take() {
            single_shot |= current.origin == Origin::SingleShot;
        }
        if single_shot {
            self.complete_single_shot(Outcome::status(Status::Aborted));
        }
        self.queues.disable_all();
        for qid in 0..self.geometry.queues {
            self.words[kvcpu_mmio::regs::queue::Q_CTRL.at(qid) as usize / 4] = 0;
        }
        (self.enabled, self.blocked, self.step) = (false, None, 0);
        (self.history, self.guard) = (History::new(), Guard::default());
        self.rtbd.clear();
        self.lists.clear();
        self.tiers = Default::default();
        self.luf.begin(0);
        self.dma.end();
        self.moves.begin(0);
        self.service.end();
    }

    /// Carries out commands until there are none or one has to wait.
    pub(crate) fn run(&mut self) {
        self.blocked = None;
        loop {
            let mut current = match self.current.take() {
                Some(current) => current,
                None => match self.next_command() {
                    Ok(Some(current)) => {
                        self.moves.begin_need();
                        self.take_tuning();
                        current
                    }
                    Ok(None) => return,
                    Err(wait) => {
                        self.blocked = Some(wait);
                        return;
                    }
                },
            };
            match self.execute(&mut current) {
                Ok(outcome) => {
                    self.offer_changes();
                    self.settle_own();
                    self.complete(&current, outcome);
                }
                Err(wait) => {
                    self.blocked = Some(wait);
                    self.current = Some(current);
                    return;
                }
            }
        }
    }
}
