//! A program that tests the sequencer and the compiler: `sim/tests/sequencer.rs` gives it numbers and knows what it should make of them.

const IN: u32 = 0x100;
const OUT: u32 = 0x200;
const HOST_OUT: u32 = 0x300;
const BIG: u32 = 0x1234_5678;

static COUNT: u32 = 0;
static HOST_COUNT: u32 = 0;
static STARTS: u32 = 0;

fn out(value: u32) {
    store(OUT + COUNT, value);
    COUNT += 1;
}

fn both(a: u32, b: u32) -> u32 {
    if a < b { b - a } else { a - b }
}

fn changes_count(a: u32) -> u32 {
    COUNT += 1;
    COUNT -= 1;
    a ^ COUNT
}

fn choose(a: u32) -> u32 {
    match a & 7 {
        0 => 10,
        1 | 2 => 20,
        BIG => 99,
        5 => {
            let twice = a + a;
            twice ^ 1
        }
        _ => return a >> 1,
    }
}

fn sum_to(n: u32) -> u32 {
    let mut sum = 0;
    let mut i = 0;
    loop {
        if i == n {
            break;
        }
        i += 1;
        if i & 1 == 0 {
            continue;
        }
        sum += i;
    }
    sum
}

fn early(a: u32, b: u32) -> u32 {
    if a > b && a != 7 || b == 3 {
        return 1;
    }
    let mut steps = 0;
    while steps < 5 && a + steps <= b {
        steps += 1;
    }
    steps
}

fn main() {
    STARTS += 1;
    loop {
        COUNT = 0;
        let a = load(IN);
        let b = load(IN + 1);
        let n = load(IN + 2) & 15;
        out(a + b);
        out(a - b);
        out(a & b | BIG);
        out(a ^ !b);
        out(a << n);
        out(a >> b);
        out(sra(a, n));
        out((a == b) as u32 + (a < b) as u32);
        out((a <= b) as u32);
        out((a >= b) as u32);
        out((a > b) as u32);
        out((a != b) as u32);
        out(slt(a, b));
        out(both(a, b) + both(b, both(a, n)));
        out(COUNT + changes_count(a));
        out(choose(a));
        out(choose(b) + choose(n));
        out(sum_to(n));
        out(early(a & 7, b & 7));
        out((a & 1 == 1 && b & 1 == 1 || n == 0) as u32);
        out(-a);
        let picked = if n > 7 {
            let inner = a + 1;
            inner << 1
        } else if n == 3 {
            NONE
        } else {
            b
        };
        out(picked);
        let mut c = 0x8000;
        c -= 1;
        c <<= 3;
        c |= a;
        c >>= 1;
        c &= b;
        c ^= n;
        out(c);
        out((a == NONE) as u32);
        out((a < 0xFFFF_8000) as u32 + (b == 0x8000) as u32);
        mask();
        out(HOST_COUNT - HOST_COUNT);
        unmask();
        store(OUT + 0xFF, STARTS);
        if load(IN + 3) != 0 {
            deep(a);
        }
    }
}

fn deep(a: u32) {
    deeper(a + 1);
}

fn deeper(a: u32) {
    store(OUT + 0xFE, a);
    restart();
}

fn host() {
    HOST_COUNT = 0;
    STARTS = 0;
    restart();
    loop {
        wait_host();
        HOST_COUNT += 1;
        store(HOST_OUT, both(HOST_COUNT, 3));
    }
}
