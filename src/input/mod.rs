//! Turns the bytes that a terminal sends into events.
//!
//! Pure: no I/O and no clock. A terminal sends keys and its answers to queries over one stream, and
//! a packet may end anywhere, so the parser keeps its state between packets. Control strings, and
//! control sequences that are not keys, are discarded, however late they arrive.

mod color;
mod control;
mod mouse;
#[cfg(test)]
mod tests;

use std::time::Duration;

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};

const ESC: u8 = 0x1b;
const BEL: u8 = 0x07;
/// Time after which an ESC is the Escape key and not the start of a sequence.
const ESCAPE_WAIT: Duration = Duration::from_millis(25);
/// Maximum pause in a sequence. Without a limit, a truncated sequence would swallow the next key.
const SEQUENCE_WAIT: Duration = Duration::from_secs(1);
/// Maximum pause in a paste. Longer than in a sequence, because the rest of the paste would be
/// parsed as keys.
const PASTE_WAIT: Duration = Duration::from_secs(5);
const PASTE_END: &[u8] = b"\x1b[201~";
/// Longer pastes are truncated.
const MAX_PASTE: usize = 64 * 1024;
/// Maximum number of parameter bytes in a control sequence that represents an event.
const MAX_PARAMETERS: usize = 64;

/// A parser of terminal input.
///
/// After [`feed`](Parser::feed), wait for more input, but no longer than [`wait`](Parser::wait);
/// if none has arrived by then, call [`give_up`](Parser::give_up).
#[derive(Debug, Default)]
pub struct Parser {
    state: State,
    /// Bytes of the unfinished character, parameters, mouse report, control string or paste.
    buffer: Vec<u8>,
    /// The background of the terminal, if it has answered the query.
    background: Option<[f32; 3]>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Ground,
    /// In a character of several bytes.
    Character { alt: bool },
    /// After ESC.
    Escape,
    /// After `ESC [`: a control sequence (CSI).
    Control,
    /// After `ESC [ [`: a function key of the Linux console.
    LinuxFunction,
    /// After `ESC [ M`: a mouse report with three bytes to follow.
    MouseBytes,
    /// After `ESC O`: a key of the keypad or a function key (SS3).
    Keypad,
    /// In a control string (OSC, DCS, APC, PM or SOS) with this introducer.
    String { introducer: u8, empty: bool },
    /// After an ESC in a control string, which is its end if a backslash follows.
    StringEscape,
    /// In a bracketed paste, with the number of bytes of its end marker matched so far.
    Paste { matched: usize },
}

impl Parser {
    /// Parses `bytes` and appends the events to `events`.
    pub fn feed(&mut self, bytes: &[u8], events: &mut Vec<Event>) {
        for byte in bytes {
            self.step(*byte, events);
        }
    }

    /// How long to wait for the next byte; `None` if no sequence is unfinished.
    pub fn wait(&self) -> Option<Duration> {
        match self.state {
            State::Ground => None,
            State::Escape | State::String { empty: true, .. } => Some(ESCAPE_WAIT),
            State::Control | State::Keypad if self.buffer.is_empty() => Some(ESCAPE_WAIT),
            State::Paste { .. } => Some(PASTE_WAIT),
            _ => Some(SEQUENCE_WAIT),
        }
    }

    /// Discards an unfinished sequence. Keys among it are appended to `events`: ESC alone, or Alt
    /// with a key whose character also introduces a sequence.
    pub fn give_up(&mut self, events: &mut Vec<Event>) {
        match std::mem::take(&mut self.state) {
            State::Escape | State::StringEscape => events.push(key(KeyCode::Esc, NONE)),
            State::Control if self.buffer.is_empty() => events.push(character('[', true)),
            State::Keypad if self.buffer.is_empty() => events.push(character('O', true)),
            State::LinuxFunction => events.extend([character('[', true), character('[', false)]),
            State::String { introducer, empty: true } => {
                events.push(character(introducer.into(), true));
            }
            State::Paste { .. } => events.push(self.paste()),
            _ => {}
        }
        self.buffer.clear();
    }

    /// Takes the answer of the terminal to a query of its background: red, green and blue, 0 to 1.
    pub fn take_background(&mut self) -> Option<[f32; 3]> {
        self.background.take()
    }

    fn step(&mut self, byte: u8, events: &mut Vec<Event>) {
        match self.state {
            State::Ground => self.start_character(byte, false, events),
            State::Character { alt } => self.continue_character(byte, alt, events),
            State::Escape => self.escape(byte, events),
            State::Control => self.control(byte, events),
            State::Keypad => self.keypad(byte, events),
            State::LinuxFunction => match byte {
                b'A'..=b'E' => {
                    self.state = State::Ground;
                    events.push(key(KeyCode::F(byte - b'A' + 1), NONE));
                }
                _ => self.interrupt(byte, events),
            },
            State::MouseBytes if byte < b' ' => self.interrupt(byte, events),
            State::MouseBytes => {
                self.buffer.push(byte);
                if let [button, column, row] = self.buffer[..] {
                    self.state = State::Ground;
                    self.buffer.clear();
                    events.extend(mouse::from_bytes(button, column, row));
                }
            }
            State::String { introducer, .. } => match byte {
                BEL => self.end_string(),
                ESC => self.state = State::StringEscape,
                // A control character is a key: the string was truncated.
                0x00..0x20 | 0x7f => self.interrupt(byte, events),
                _ => {
                    self.hold_parameter(byte);
                    self.state = State::String { introducer, empty: false };
                }
            },
            State::StringEscape if byte == b'\\' => self.end_string(),
            // Another sequence begins, so the string was truncated.
            State::StringEscape => {
                self.buffer.clear();
                self.escape(byte, events);
            }
            State::Paste { matched } => self.in_paste(byte, matched, events),
        }
    }

    /// Ends a control string. All of them are discarded, except the answer to a query.
    fn end_string(&mut self) {
        if let Some(text) = self.buffer.strip_prefix(b"]11;") {
            self.background = color::parse(text).or(self.background);
        }
        self.buffer.clear();
        self.state = State::Ground;
    }

    /// Ends an unfinished sequence at a byte that cannot be part of it.
    fn interrupt(&mut self, byte: u8, events: &mut Vec<Event>) {
        self.give_up(events);
        self.step(byte, events);
    }

    fn escape(&mut self, byte: u8, events: &mut Vec<Event>) {
        match byte {
            ESC => {
                self.state = State::Escape;
                events.push(key(KeyCode::Esc, NONE));
            }
            b'[' => self.state = State::Control,
            b'O' => self.state = State::Keypad,
            b']' | b'P' | b'_' | b'^' | b'X' => {
                self.buffer = vec![byte];
                self.state = State::String { introducer: byte, empty: true };
            }
            _ => self.start_character(byte, true, events),
        }
    }

    fn start_character(&mut self, byte: u8, alt: bool, events: &mut Vec<Event>) {
        self.state = State::Ground;
        match byte {
            0x80.. => {
                self.buffer.clear();
                self.continue_character(byte, alt, events);
            }
            b'\r' => events.push(key(KeyCode::Enter, with_alt(alt))),
            b'\t' => events.push(key(KeyCode::Tab, with_alt(alt))),
            0x7f => events.push(key(KeyCode::Backspace, with_alt(alt))),
            0x00 => events.push(control_key(' ', alt)),
            0x01..=0x1a => events.push(control_key((byte - 0x01 + b'a').into(), alt)),
            ESC => self.state = State::Escape,
            0x1c..0x20 => events.push(control_key((byte - 0x1c + b'4').into(), alt)),
            _ => events.push(character(byte.into(), alt)),
        }
    }

    fn continue_character(&mut self, byte: u8, alt: bool, events: &mut Vec<Event>) {
        if byte < 0x80 {
            // The buffered bytes are an incomplete character and are dropped; this byte is a character.
            return self.interrupt(byte, events);
        }
        self.buffer.push(byte);
        match std::str::from_utf8(&self.buffer) {
            Ok(text) => events.extend(text.chars().map(|c| character(c, alt))),
            Err(error) if error.error_len().is_none() => {
                self.state = State::Character { alt };
                return;
            }
            // A byte that cannot continue the character may begin the next one.
            Err(_) if self.buffer.len() > 1 => return self.interrupt(byte, events),
            Err(_) => {}
        }
        self.state = State::Ground;
        self.buffer.clear();
    }

    fn control(&mut self, byte: u8, events: &mut Vec<Event>) {
        match byte {
            b'[' if self.buffer.is_empty() => self.state = State::LinuxFunction,
            b'M' if self.buffer.is_empty() => self.state = State::MouseBytes,
            0x20..0x40 => self.hold_parameter(byte),
            0x40..0x7f if self.buffer == b"200" && byte == b'~' => {
                self.buffer.clear();
                self.state = State::Paste { matched: 0 };
            }
            0x40..0x7f => self.finish(control::event(&self.buffer, byte), events),
            _ => self.interrupt(byte, events),
        }
    }

    fn keypad(&mut self, byte: u8, events: &mut Vec<Event>) {
        match byte {
            b'0'..=b'9' | b';' => self.hold_parameter(byte),
            0x40..0x7f => self.finish(control::keypad(&self.buffer, byte), events),
            _ => self.interrupt(byte, events),
        }
    }

    fn hold_parameter(&mut self, byte: u8) {
        // One byte more than allowed marks a sequence that is not an event.
        if self.buffer.len() <= MAX_PARAMETERS {
            self.buffer.push(byte);
        }
    }

    fn finish(&mut self, event: Option<Event>, events: &mut Vec<Event>) {
        self.state = State::Ground;
        self.buffer.clear();
        events.extend(event);
    }

    fn in_paste(&mut self, byte: u8, matched: usize, events: &mut Vec<Event>) {
        let matched = if byte == PASTE_END[matched] {
            matched + 1
        } else {
            self.buffer.extend(&PASTE_END[..matched]);
            // ESC occurs only at the start of the end marker.
            let restarted = usize::from(byte == ESC);
            self.buffer.extend((restarted == 0).then_some(byte));
            self.buffer.truncate(MAX_PASTE);
            restarted
        };
        if matched == PASTE_END.len() {
            events.push(self.paste());
            self.buffer.clear();
            self.state = State::Ground;
        } else {
            self.state = State::Paste { matched };
        }
    }

    fn paste(&self) -> Event {
        Event::Paste(String::from_utf8_lossy(&self.buffer).into_owned())
    }
}

const NONE: KeyModifiers = KeyModifiers::NONE;

fn key(code: KeyCode, modifiers: KeyModifiers) -> Event {
    Event::Key(KeyEvent::new(code, modifiers))
}

fn with_alt(alt: bool) -> KeyModifiers {
    if alt { KeyModifiers::ALT } else { NONE }
}

fn control_key(c: char, alt: bool) -> Event {
    key(KeyCode::Char(c), with_alt(alt) | KeyModifiers::CONTROL)
}

fn character(c: char, alt: bool) -> Event {
    let shift = if c.is_uppercase() { KeyModifiers::SHIFT } else { NONE };
    key(KeyCode::Char(c), with_alt(alt) | shift)
}
