"""The child's side of `execution`: what stands around a program that a model wrote while it runs.

It is run as `python FOLDER` in a process of its own, and needs nothing but the standard library. Nothing of the
package is imported there: a start costs milliseconds.

It is no sandbox in the strict sense. The kernel's walls (`walls`) hold against any program where the platform has
them; the audit hook (`hook`) and the limits (`limits`) hold against what models write by accident.
"""
