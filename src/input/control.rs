//! Converts control sequences to events.

use crossterm::event::{Event, KeyCode, KeyModifiers};

use super::{MAX_PARAMETERS, NONE, character, key, mouse};

/// The event of `ESC [ parameters last`; `None` if it is not an event, for example the answer to a
/// query.
pub(super) fn event(parameters: &[u8], last: u8) -> Option<Event> {
    if parameters.len() > MAX_PARAMETERS {
        return None;
    }
    if let Some(parameters) = parameters.strip_prefix(b"<") {
        return mouse::from_sgr(&numbers(parameters)?, last);
    }
    // Other private markers and intermediate bytes are not numbers.
    let numbers = numbers(parameters)?;
    match (numbers[..].first(), last) {
        (_, b'M') => mouse::from_numbers(&numbers),
        (None, b'I') => Some(Event::FocusGained),
        (None, b'O') => Some(Event::FocusLost),
        (None, b'Z') => Some(key(KeyCode::BackTab, KeyModifiers::SHIFT)),
        // With parameters it is a report of the cursor position.
        (Some(_), b'R') => None,
        (None | Some(1), _) if last != b'~' => named(last, modifiers(&numbers)?),
        (Some(&number), b'~') => Some(key(numbered(number)?, modifiers(&numbers)?)),
        _ => None,
    }
}

/// The key of `ESC O parameters last`.
pub(super) fn keypad(parameters: &[u8], last: u8) -> Option<Event> {
    match last {
        b'M' => Some(key(KeyCode::Enter, NONE)),
        // The keypad sends the code of each character plus 64.
        b'j'..=b'y' => Some(character((last - 64).into(), false)),
        _ => named(last, modifiers(&numbers(parameters)?)?),
    }
}

fn named(last: u8, modifiers: KeyModifiers) -> Option<Event> {
    let code = match last {
        b'A' => KeyCode::Up,
        b'B' => KeyCode::Down,
        b'C' => KeyCode::Right,
        b'D' => KeyCode::Left,
        b'E' => KeyCode::KeypadBegin,
        b'F' => KeyCode::End,
        b'H' => KeyCode::Home,
        b'P'..=b'S' => KeyCode::F(last - b'P' + 1),
        _ => return None,
    };
    Some(key(code, modifiers))
}

fn numbered(number: u16) -> Option<KeyCode> {
    let function = |key: u16, first: u16| u8::try_from(number - first + key).ok().map(KeyCode::F);
    match number {
        1 | 7 => Some(KeyCode::Home),
        2 => Some(KeyCode::Insert),
        3 => Some(KeyCode::Delete),
        4 | 8 => Some(KeyCode::End),
        5 => Some(KeyCode::PageUp),
        6 => Some(KeyCode::PageDown),
        11..=15 => function(1, 11),
        17..=21 => function(6, 17),
        23..=26 => function(11, 23),
        28..=29 => function(15, 28),
        31..=34 => function(17, 31),
        _ => None,
    }
}

/// The modifiers in the second parameter: one more than the sum of their bits.
fn modifiers(numbers: &[u16]) -> Option<KeyModifiers> {
    let bits = numbers.get(1).map_or(0, |number| number.saturating_sub(1));
    let modifiers = [
        KeyModifiers::SHIFT,
        KeyModifiers::ALT,
        KeyModifiers::CONTROL,
        KeyModifiers::SUPER,
        KeyModifiers::HYPER,
        KeyModifiers::META,
    ];
    let pressed = modifiers.into_iter().enumerate().filter(|(bit, _)| bits & (1 << bit) != 0);
    (bits < 256).then(|| pressed.map(|(_, modifier)| modifier).collect())
}

/// Numbers separated by semicolons. An empty number is 0.
fn numbers(parameters: &[u8]) -> Option<Vec<u16>> {
    if parameters.is_empty() {
        return Some(Vec::new());
    }
    let number = |digits: &[u8]| match std::str::from_utf8(digits).ok()? {
        "" => Some(0),
        digits if digits.starts_with('+') => None,
        digits => digits.parse().ok(),
    };
    parameters.split(|byte| *byte == b';').map(number).collect()
}
