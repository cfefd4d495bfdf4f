# Call main and halt with its result (EX-235). The machine has set sp; no global pointer is used.
    .section .text.start, "ax"
    .globl _start
_start:
    call main
    li a7, 0
    ecall
