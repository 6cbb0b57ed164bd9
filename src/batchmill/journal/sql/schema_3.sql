-- When the first attempt at an outcome began, in seconds since the epoch, by a clock that nobody sets while a
-- pass lasts; and the number of the worker that made it, from 0, which makes one at a time. NULL where nobody
-- knows, as in earlier formats. `detail` may have `tried`, the attempts of an item that had more than one: of each when
-- it began, its seconds, the number of its worker, and of one that failed type, message and kind of the error,
-- and the seconds that were asked for before the next.
ALTER TABLE outcome ADD COLUMN began REAL;
ALTER TABLE outcome ADD COLUMN worker INTEGER;
