-- A state is looked up at the price of unpacking the block it lies in: 64 KiB by default, once the parts are merged. Blocks of a granule
-- (32 states) halve the time of an as-of over a thousand workspaces; what is written or merged from now on has them.

ALTER TABLE ${database}.state_moments${on_cluster} MODIFY SETTING min_compress_block_size = 16384
