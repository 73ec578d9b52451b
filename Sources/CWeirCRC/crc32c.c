int weir_crc_placeholder;
