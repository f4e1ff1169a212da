//! Options of the commands that work for others than the person at the keyboard.

use clap::Args as ClapArgs;
use mailscan_core::source::http::IpNet;

use super::values::network;

/// Which network addresses jobs may reach that others hand in.
#[derive(Clone, Debug, Default, ClapArgs)]
pub(crate) struct Networks {
    /// Let jobs fetch from this network although it is not public, such as 10.1.0.0/16; may be given again
    #[arg(long, value_name = "CIDR", value_parser = network)]
    pub(crate) allow_network: Vec<IpNet>,
}
