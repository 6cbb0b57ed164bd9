"""Access to network services: allowed hosts and addresses, proxies, certificates."""
