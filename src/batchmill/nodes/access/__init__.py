"""Access to services over the network: which hosts and addresses, on which way, with which certificates."""
