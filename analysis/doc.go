// Package analysis turns observations into summaries, and summaries into verdicts. It is
// pure: the same record and the same objectives give the same verdict, today and in a year.
package analysis
