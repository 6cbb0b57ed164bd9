"""The report of a run, for people and tools: one model, plain data, and its writers.

``facts`` is the input. ``aggregate`` turns it into a :class:`~batchmill.report.model.Report`, in memory that
does not grow with the items. The writers (``html``, ``markdown``, ``terminal``, ``metrics``) put the report
into words and compute nothing. A format with a line or event for each item (``chrome_trace``, ``otlp``,
``tsv``, ``joblog``) reads the facts themselves."""
