//! Where the members of a cluster are, as SRV records of the domain name system say.
//!
//! [`srv`] asks for the records of one service; [`clients`] makes endpoints of those for clients.
//! The system's `/etc/resolv.conf` names whom to ask, unless the variable [`NAMESERVER`] does. A
//! name is asked for as it stands, without the search list of that file.
//!
//! Not here: addresses of hosts, which the system looks up where a connection is made.

mod answer;
mod exchange;
mod nameservers;
mod record;

pub use exchange::LookupError;
pub use nameservers::NAMESERVER;
pub use record::{ClientsError, Target, clients, service_name, srv};
