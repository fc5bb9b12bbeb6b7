//! DMA buffers: any offset and length, against a plain vector.
#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

mod common;

use std::sync::atomic::Ordering;

use common::device;
use kvcpu_driver::{Config, DriverError};

#[test]
fn every_offset_and_length_reads_back_what_was_written() {
    let device = device(Config::default());
    let buffer = device.dma_alloc(61).unwrap();
    assert_eq!((buffer.len(), buffer.is_empty(), buffer.words().len()), (61, false, 8));
    for offset in 0..=61 {
        for bytes in 0..=61 - offset {
            buffer.fill(0xEE);
            let data: Vec<u8> = (0..bytes).map(|n| (n * 7 + offset) as u8).collect();
            buffer.write(offset, &data).unwrap();
            let mut plain = vec![0xEE; 61];
            plain[offset..offset + bytes].copy_from_slice(&data);
            let mut all = vec![0; 61];
            buffer.read(0, &mut all).unwrap();
            assert_eq!(all, plain, "{bytes} bytes written at {offset}");
            let mut part = vec![0; bytes];
            buffer.read(offset, &mut part).unwrap();
            assert_eq!(part, data, "{bytes} bytes read at {offset}");
        }
    }
}

#[test]
fn byte_0_is_the_low_byte_of_word_0() {
    let device = device(Config::default());
    let buffer = device.dma_alloc(16).unwrap();
    buffer.write(0, &[1, 2, 3, 4, 5, 6, 7, 8, 9]).unwrap();
    assert_eq!(u64::from_le(buffer.words()[0].load(Ordering::Relaxed)), 0x0807_0605_0403_0201);
    assert_eq!(u64::from_le(buffer.words()[1].load(Ordering::Relaxed)), 9);
}

#[test]
fn a_whole_page_can_be_used_and_not_a_byte_more() {
    let device = device(Config::default());
    let buffer = device.dma_alloc(4096).unwrap();
    buffer.write(0, &[1; 4096]).unwrap();
    buffer.write(4096, &[]).unwrap();
    buffer.read(4095, &mut [0]).unwrap();
    for (offset, bytes) in [(4096, 1), (0, 4097), (usize::MAX, 2)] {
        let error = buffer.write(offset, &vec![0; bytes]).unwrap_err();
        assert!(matches!(error, DriverError::Bounds { .. }), "{error}");
        assert!(buffer.read(offset, &mut vec![0; bytes]).is_err());
    }
}
