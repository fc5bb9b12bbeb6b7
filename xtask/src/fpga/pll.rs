//! What a board's PLL makes of the clock at its pin, by the parameters in its top.v: the frequency of the recipe, and that for which the
//! device's serial line was made. A check only, so that neither is changed alone.

use super::board::{BOARDS, Board};
use crate::workspace;

/// Limits in MHz: FPGA-DS-02012, sysCLOCK PLL Timing.
const DETECTOR_MHZ: std::ops::RangeInclusive<f64> = 10.0..=400.0;
const OSCILLATOR_MHZ: std::ops::RangeInclusive<f64> = 400.0..=800.0;

/// The text between two others.
fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let (_, rest) = text.split_once(before).unwrap_or_else(|| panic!("no {before}"));
    rest.split_once(after).unwrap_or_else(|| panic!("no {after} behind {before}")).0
}

struct Pll {
    text: String,
    pin_mhz: f64,
}

impl Pll {
    fn of(board: &Board) -> Pll {
        let lpf = std::fs::read_to_string(board.pins()).unwrap();
        Pll {
            text: board.top_text().unwrap(),
            pin_mhz: between(&lpf, "FREQUENCY PORT \"", " MHZ;").rsplit(' ').next().unwrap().parse().unwrap(),
        }
    }

    fn parameter(&self, name: &str) -> f64 {
        between(&self.text, &format!(".{name}("), ")").parse().unwrap()
    }

    /// The output that is this net.
    fn output(&self, net: &str) -> &'static str {
        let outputs = ["CLKOP", "CLKOS", "CLKOS2", "CLKOS3"];
        outputs
            .into_iter()
            .find(|output| self.text.contains(&format!(".{output}({net})")))
            .unwrap()
    }

    fn detector_mhz(&self) -> f64 {
        self.pin_mhz / self.parameter("CLKI_DIV")
    }

    fn oscillator_mhz(&self) -> f64 {
        assert!(self.text.contains(".FEEDBK_PATH(\"CLKOP\")"));
        assert_eq!(self.output(between(&self.text, ".CLKFB(", ")")), "CLKOP");
        self.detector_mhz() * self.parameter("CLKFB_DIV") * self.parameter("CLKOP_DIV")
    }

    fn mhz(&self, net: &str) -> f64 {
        self.oscillator_mhz() / self.parameter(&format!("{}_DIV", self.output(net)))
    }

    /// How far an output is behind, in parts of its clock.
    fn phase(&self, net: &str) -> f64 {
        let of = |what: &str| self.parameter(&format!("{}_{what}", self.output(net)));
        (of("CPHASE") - (of("DIV") - 1.0) + of("FPHASE") / 8.0) / of("DIV")
    }
}

#[test]
fn plls_make_the_recipes_clock_which_is_that_of_the_serial_line() {
    let export = std::fs::read_to_string(workspace::root().unwrap().join("hdl/src/export.rs")).unwrap();
    for (name, constant) in BOARDS.into_iter().zip(["ULX3S_HZ", "EVN_HZ"]) {
        let board = Board::read(name).unwrap();
        let pll = Pll::of(&board);
        assert!(DETECTOR_MHZ.contains(&pll.detector_mhz()), "{name}: {} MHz", pll.detector_mhz());
        assert!(OSCILLATOR_MHZ.contains(&pll.oscillator_mhz()), "{name}: {} MHz", pll.oscillator_mhz());
        assert_eq!(pll.mhz("clock"), board.clock_mhz, "{name}");
        let hz = between(&export, &format!("const {constant}: u32 = "), ";").replace('_', "");
        assert_eq!(hz.parse::<f64>().unwrap(), board.clock_mhz * 1e6, "{name}");
    }
}

#[test]
fn the_sdrams_clock_is_three_quarters_behind() {
    let pll = Pll::of(&Board::read("ulx3s_85f").unwrap());
    assert_eq!(pll.mhz("sdram_clk"), pll.mhz("clock"));
    assert_eq!(pll.phase("sdram_clk") - pll.phase("clock"), 0.75);
}

#[test]
fn plls_have_the_attributes_that_nextpnr_takes_for_0_if_they_lack() {
    for name in BOARDS {
        let text = Board::read(name).unwrap().top_text().unwrap();
        for attribute in
            ["ICP_CURRENT=\"12\"", "LPF_RESISTOR=\"8\"", "MFG_ENABLE_FILTEROPAMP=\"1\"", "MFG_GMCREF_SEL=\"2\""]
        {
            assert!(text.contains(attribute), "{name}: {attribute}");
        }
    }
}
