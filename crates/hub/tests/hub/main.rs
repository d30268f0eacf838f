//! The hub as front ends call it, on a real log in a temporary directory, with a clock of ours.

#[cfg(test)]
mod damage;
#[cfg(test)]
mod epochs;
#[cfg(test)]
mod groups;
#[cfg(test)]
mod isolation;
#[cfg(test)]
mod lag;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod produce_and_fetch;
mod producers;
#[cfg(test)]
mod support;
#[cfg(test)]
mod topics;
#[cfg(test)]
mod units;
