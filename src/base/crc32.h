#pragma once
/* CRC-32 as zip and gzip have it (ISO-HDLC: reflected, polynomial 0x04C11DB7).  Any thread. */
#include <stddef.h>
#include <stdint.h>

/* Of `length` bytes that follow those whose CRC is `crc` (0: none did). */
uint32_t crc32_of(uint32_t crc, const void *bytes, size_t length);
