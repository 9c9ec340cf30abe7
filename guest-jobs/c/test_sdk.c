/* TO BE WRITTEN BELOW */
int main(void) { return 0; }
