//! The stream that the decoder gets, made of a file's segments.

use super::{
    super::PictureError,
    End,
    frame::{CHANNELS_MAX, Coding, Colour, ColourHints, Frame},
    segments::{APP0, APP14, DAC, DHT, DQT, DRI, EOI, SOS, Segment, Segments, is_restart},
};

// Ones, of which 16 are no code. At most 16 bits of a number come before the next code.
const GUARD: [u8; 16] = *b"\xff\0\xff\0\xff\0\xff\0\xff\0\xff\0\xff\0\xff\0";
// Where the end is missing, a code may have been read that says how many blocks have only
// corrections, a bit each: as many as the largest run of blocks has.
const GUARDS_WITHOUT_END: usize = 32_767 * 63 / 64 + 1;

/// As many restarts as a picture of the most pixels has: more would only make the stream long.
const RESTARTS_MAX: usize = 2_000_000;

/// Writes the stream of this file; nothing of the picture's size is allocated.
pub(super) fn write(encoded: &[u8], stream: &mut Vec<u8>) -> Result<(Frame, End), PictureError> {
    stream.clear();
    stream.extend_from_slice(b"\xff\xd8");
    let mut writer =
        Writer { stream, hints: ColourHints::default(), frame: None, scans: Vec::new(), restarts: 0 };
    let mut segments = Segments::of(encoded);
    let end = loop {
        match segments.next() {
            Ok(Some(segment)) if segment.marker == EOI => break End::Marked,
            Ok(Some(segment)) => writer.segment(&segment, &mut segments)?,
            Ok(None) => break End::Missing,
            // Of what comes behind the last scan nothing is needed.
            Err(PictureError::CutShort { .. }) if !writer.scans.is_empty() => break End::Missing,
            Err(error) => return Err(error),
        }
    };
    writer.finish(end, encoded.len())
}

struct Writer<'a> {
    stream: &'a mut Vec<u8>,
    hints: ColourHints,
    frame: Option<Frame>,
    scans: Vec<Scan>,
    /// Restart markers so far.
    restarts: usize,
}

/// Which part of which channels a scan brings.
#[derive(Clone, Copy)]
struct Scan {
    // A bit for each channel.
    channels: u8,
    first: u8,
    last: u8,
    // Bits below this one are still to come.
    low: u8,
}

impl Writer<'_> {
    fn segment(&mut self, segment: &Segment<'_>, rest: &mut Segments<'_>) -> Result<(), PictureError> {
        match segment.marker {
            APP0 if segment.body.starts_with(b"JFIF\0") => self.hints.jfif = Some(()),
            APP14 if segment.body.starts_with(b"Adobe") => {
                self.hints.adobe = segment.body.get(11).copied();
            }
            DAC => return Err(PictureError::Unsupported { found: "a JPEG in arithmetic coding".to_owned() }),
            DHT | DQT | DRI => self.stream.extend_from_slice(segment.bytes),
            SOS => self.scan(segment, rest)?,
            0xc0..=0xcf => self.frame(segment)?,
            _ => {}
        }
        Ok(())
    }

    fn frame(&mut self, segment: &Segment<'_>) -> Result<(), PictureError> {
        if self.frame.is_some() {
            let (offset, found) = (segment.offset, "a second frame".to_owned());
            return Err(PictureError::Segment { offset, found, expected: "one" });
        }
        self.frame = Some(Frame::read(segment)?);
        self.stream.extend_from_slice(segment.bytes);
        Ok(())
    }

    fn scan(&mut self, segment: &Segment<'_>, rest: &mut Segments<'_>) -> Result<(), PictureError> {
        let offset = segment.offset;
        let Some(frame) = self.frame else {
            let found = "a scan before any frame".to_owned();
            return Err(PictureError::Segment { offset, found, expected: "the frame first" });
        };
        if self.scans.is_empty() {
            let frame = frame.with_colour(self.hints);
            self.frame = Some(frame);
            self.write_colour(frame.colour());
        }
        let scan = Scan::read(segment, &frame)?;
        check_order(&frame, &self.scans, scan)?;
        self.scans.push(scan);
        self.stream.extend_from_slice(segment.bytes);
        self.copy_data(rest)
    }

    /// Says in the decoder's words what the colours mean.
    fn write_colour(&mut self, colour: Colour) {
        let transform = match colour {
            Colour::Grey => return,
            Colour::Rgb | Colour::Cmyk => 0,
            Colour::Ycbcr => 1,
            Colour::Ycck => 2,
        };
        self.stream.extend_from_slice(b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0");
        self.stream.push(transform);
    }

    /// Copies coded data up to the next marker that ends it.
    fn copy_data(&mut self, rest: &mut Segments<'_>) -> Result<(), PictureError> {
        loop {
            let end = rest.find_marker().unwrap_or(rest.encoded.len());
            self.stream.extend_from_slice(&rest.encoded[rest.position..end]);
            rest.position = end;
            let Some(&marker) = rest.encoded.get(end + 1).filter(|&&marker| is_restart(marker)) else {
                // Behind every scan but the first, whose marker the decoder wants to see at once.
                if self.scans.len() > 1 {
                    self.stream.extend_from_slice(&GUARD);
                }
                return Ok(());
            };
            self.restarts += 1;
            if self.restarts > RESTARTS_MAX {
                let (offset, found) = (end, "one more restart".to_owned());
                return Err(PictureError::Segment { offset, found, expected: "2 million at the most" });
            }
            self.stream.extend_from_slice(&GUARD);
            self.stream.extend_from_slice(&[0xff, marker]);
            rest.position = end + 2;
        }
    }

    fn finish(self, end: End, found: usize) -> Result<(Frame, End), PictureError> {
        let Some(frame) = self.frame else {
            return Err(PictureError::CutShort { found, missing: "the frame" });
        };
        if let Some(missing) = missing_scan(&frame, &self.scans) {
            return Err(PictureError::CutShort { found, missing });
        }
        let is_first = self.scans.len() == 1;
        // The decoder wants to see the marker behind the first of several scans at once.
        if frame.coding() == Coding::Sequential || !is_first {
            let guards = if end == End::Missing { GUARDS_WITHOUT_END } else { 1 };
            for _ in 0..guards {
                self.stream.extend_from_slice(&GUARD);
            }
        }
        self.stream.extend_from_slice(&[0xff, EOI]);
        Ok((frame, end))
    }
}

impl Scan {
    fn read(segment: &Segment<'_>, frame: &Frame) -> Result<Self, PictureError> {
        let malformed =
            |found: String, expected| PictureError::Segment { offset: segment.offset, found, expected };
        let count = segment.body.first().copied().map_or(0, usize::from);
        let length = segment.body.len();
        if !(1..=CHANNELS_MAX).contains(&count) || length != 4 + count * 2 {
            let found = format!("a scan of {count} channels in {length} bytes");
            return Err(malformed(found, "1 to 4 in 4 bytes and 2 for each"));
        }
        let mut channels = 0;
        for named in segment.body[1..=count * 2].chunks_exact(2) {
            let Some(index) = frame.listed().iter().position(|channel| channel.id == named[0]) else {
                return Err(malformed(format!("a scan of channel {}", named[0]), "one of the frame's"));
            };
            channels |= 1 << index;
        }
        let [first, last, bits] = [length - 3, length - 2, length - 1].map(|at| segment.body[at]);
        Ok(Self { channels, first, last, low: bits & 15 })
    }
}

/// Refuses what the decoder gets wrong without saying so: channels in scans of their own, where
/// one has more samples than another.
fn check_order(frame: &Frame, before: &[Scan], scan: Scan) -> Result<(), PictureError> {
    let is_split =
        !before.is_empty() || usize::from(scan.channels.count_ones() as u8) != frame.listed().len();
    let is_sampled = frame.listed().iter().any(|channel| channel.sampling != (1, 1));
    if frame.coding() == Coding::Sequential && is_split && is_sampled && frame.listed().len() > 1 {
        let found = "a baseline JPEG with a scan for each of its subsampled channels".to_owned();
        return Err(PictureError::Unsupported { found });
    }
    Ok(())
}

/// What the scans leave out: a progressive file is whole with all coefficients of all channels to
/// their last bit. One that was cut between two scans is a coarser picture, and none of ours.
fn missing_scan(frame: &Frame, scans: &[Scan]) -> Option<&'static str> {
    let last = match frame.coding() {
        Coding::Progressive => 63,
        Coding::Sequential => 0,
    };
    for channel in 0..frame.listed().len() {
        let of_channel = || scans.iter().filter(move |scan| scan.channels >> channel & 1 == 1);
        for coefficient in 0..=last {
            let covers = |scan: &&Scan| (scan.first..=scan.last).contains(&coefficient);
            let finest = of_channel().filter(covers).map(|scan| scan.low).min();
            match finest {
                None => return Some("a scan"),
                Some(low) if low > 0 && frame.coding() == Coding::Progressive => return Some("a finer scan"),
                Some(_) => {}
            }
        }
    }
    None
}
