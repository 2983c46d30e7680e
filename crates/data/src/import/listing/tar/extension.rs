//! Pax headers: records `LENGTH KEY=VALUE\n`, the length of the whole record in digits.

use super::{Extended, TarProblem};

/// Takes in what the records say about name and size; what they say of owners, times and
/// attributes is passed over.
pub(super) fn read(mut data: &[u8], extended: &mut Extended) -> Result<(), TarProblem> {
    while !data.is_empty() {
        let (key, value, rest) = record(data).ok_or(TarProblem::Extension)?;
        data = rest;
        match key {
            b"path" => extended.name = Some(value.to_vec()),
            b"size" => extended.bytes = Some(number(value).ok_or(TarProblem::Extension)?),
            _ if key.starts_with(b"GNU.sparse.") => return Err(TarProblem::Sparse),
            _ => {}
        }
    }
    Ok(())
}

/// Key and value of the first record, and what follows it.
fn record(data: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = data.iter().take(20).position(|&byte| byte == b' ')?;
    let length = usize::try_from(number(&data[..space])?).ok()?;
    let (record, rest) = data.split_at_checked(length)?;
    let text = record.get(space + 1..)?.strip_suffix(b"\n")?;
    let equals = text.iter().position(|&byte| byte == b'=')?;
    Some((&text[..equals], &text[equals + 1..], rest))
}

fn number(digits: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(digits).ok()?;
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}
