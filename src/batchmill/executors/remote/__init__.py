"""Items on workers that share no memory with us: a carrier takes orders there, agents run them in processes.

RemoteExecutor --orders--> Carrier (Dask, any futures, this process) --> agent --> process executor
      ^                                                                    |
      +------------------------------ replies -----------------------------+
"""
