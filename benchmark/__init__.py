"""cpbench: does a Speech-LLM understand what is said together with how it is said?"""

__version__ = "0.1.0"
