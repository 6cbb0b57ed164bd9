"""What a run did, for people and tools to look at afterwards: one model, plain data, and its writers.

``facts`` is what goes in; ``aggregate`` makes of it a :class:`~batchmill.report.model.Report`, in memory that
does not grow with the items; the writers (``html``, ``markdown``, ``terminal``, ``metrics``) put that into
words and compute nothing. A format with a line or event for each item (``chrome_trace``, ``otlp``, ``tsv``,
``joblog``) takes the facts themselves."""
