//! Reports from the outside: rows in; summary, tables, exports and figures out.

#[cfg(test)]
mod bad_days;
#[cfg(test)]
mod record_2014;
#[cfg(test)]
mod sample;
#[cfg(test)]
mod shown;
