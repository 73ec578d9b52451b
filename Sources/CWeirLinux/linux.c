int weir_linux_placeholder;
