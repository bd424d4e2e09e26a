// The least that a process can cost on this machine: what `capabilities` is compared to.
int main(void) { return 0; }
